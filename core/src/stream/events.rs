//! Stream events: names of `stream-event` in rules and of EVE stream anomalies, by number.

/// A set of stream events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreamEvents(pub u128);

impl StreamEvents {
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
    pub const fn set(&mut self, ev: Ev) {
        self.0 |= 1 << ev as u8;
    }
    pub const fn has(self, ev: u8) -> bool {
        ev < 128 && self.0 >> ev & 1 == 1
    }
    /// The numbers in the set, ascending.
    pub fn iter(self) -> impl Iterator<Item = u8> {
        let mut left = self.0;
        core::iter::from_fn(move || {
            if left == 0 {
                return None;
            }
            let e = left.trailing_zeros() as u8;
            left &= left - 1;
            Some(e)
        })
    }
}

/// Number of the event that a rule's `stream-event:NAME` names.
pub fn by_name(name: &str) -> Option<u8> {
    // Suricata's own rules write two of them so.
    let other = match name {
        "3whs_synack_resend_with_different_ack" => "3whs_synack_resend_with_diff_ack",
        "est_synack_resend_with_different_ack" => "est_synack_resend_with_diff_ack",
        n => n,
    };
    NAMES.iter().position(|&n| n == other).map(|i| i as u8)
}

/// The name of event number `ev`, without the `stream.` prefix that EVE puts before it.
pub fn name(ev: u8) -> &'static str {
    NAMES.get(ev as usize).copied().unwrap_or("unknown")
}

/// The events.
#[allow(clippy::upper_case_acronyms)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Ev {
    Whs3AckInWrongDir,
    Whs3AsyncWrongSeq,
    Whs3RightSeqWrongAckEvasion,
    Whs3SynackInWrongDirection,
    Whs3SynackResendWithDiffAck,
    Whs3SynackResendWithDiffSeq,
    Whs3SynackToserverOnSynRecv,
    Whs3SynackWithWrongAck,
    Whs3SynackFlood,
    Whs3SynResendDiffSeqOnSynRecv,
    Whs3SynToclientOnSynRecv,
    Whs3WrongSeqWrongAck,
    Whs3AckDataInject,
    Whs3SynFlood,
    Whs3SynackTfoDataIgnored,
    EstAckZwpData,
    Whs4SynackWithWrongAck,
    Whs4SynackWithWrongSyn,
    Whs4WrongSeq,
    Whs4InvalidAck,
    ClosewaitAckOutOfWindow,
    ClosewaitFinOutOfWindow,
    ClosewaitPktBeforeLastAck,
    ClosewaitInvalidAck,
    ClosingAckWrongSeq,
    ClosingInvalidAck,
    EstPacketOutOfWindow,
    EstPktBeforeLastAck,
    EstSynackResend,
    EstSynackResendWithDiffAck,
    EstSynackResendWithDiffSeq,
    EstSynackToserver,
    EstSynResend,
    EstSynResendDiffSeq,
    EstSynToclient,
    EstInvalidAck,
    FinInvalidAck,
    Fin1AckWrongSeq,
    Fin1FinWrongSeq,
    Fin1InvalidAck,
    Fin2AckWrongSeq,
    Fin2FinWrongSeq,
    Fin2InvalidAck,
    FinButNoSession,
    FinOutOfWindow,
    FinSyn,
    LastackAckWrongSeq,
    LastackInvalidAck,
    RstButNoSession,
    RstWithData,
    TimewaitAckWrongSeq,
    TimewaitInvalidAck,
    ShutdownSynResend,
    PktInvalidTimestamp,
    PktInvalidAck,
    PktBrokenAck,
    RstInvalidAck,
    PktRetransmission,
    PktSpuriousRetransmission,
    PktBadWindowUpdate,
    SuspectedRstInject,
    WrongThread,
    ReassemblySegmentBeforeBaseSeq,
    ReassemblyNoSegment,
    ReassemblySeqGap,
    ReassemblyOverlapDifferentData,
    ReassemblyInsertMemcap,
    ReassemblyInsertLimit,
    ReassemblyInsertInvalid,
    ReassemblyDepthReached,
    ReassemblyUrgentOobLimitReached,
}

/// Names by number, in the order of [`Ev`].
pub static NAMES: [&str; 71] = [
    "3whs_ack_in_wrong_dir",
    "3whs_async_wrong_seq",
    "3whs_right_seq_wrong_ack_evasion",
    "3whs_synack_in_wrong_direction",
    "3whs_synack_resend_with_diff_ack",
    "3whs_synack_resend_with_diff_seq",
    "3whs_synack_toserver_on_syn_recv",
    "3whs_synack_with_wrong_ack",
    "3whs_synack_flood",
    "3whs_syn_resend_diff_seq_on_syn_recv",
    "3whs_syn_toclient_on_syn_recv",
    "3whs_wrong_seq_wrong_ack",
    "3whs_ack_data_inject",
    "3whs_syn_flood",
    "3whs_synack_tfo_data_ignored",
    "est_ack_zwp_data",
    "4whs_synack_with_wrong_ack",
    "4whs_synack_with_wrong_syn",
    "4whs_wrong_seq",
    "4whs_invalid_ack",
    "closewait_ack_out_of_window",
    "closewait_fin_out_of_window",
    "closewait_pkt_before_last_ack",
    "closewait_invalid_ack",
    "closing_ack_wrong_seq",
    "closing_invalid_ack",
    "est_packet_out_of_window",
    "est_pkt_before_last_ack",
    "est_synack_resend",
    "est_synack_resend_with_diff_ack",
    "est_synack_resend_with_diff_seq",
    "est_synack_toserver",
    "est_syn_resend",
    "est_syn_resend_diff_seq",
    "est_syn_toclient",
    "est_invalid_ack",
    "fin_invalid_ack",
    "fin1_ack_wrong_seq",
    "fin1_fin_wrong_seq",
    "fin1_invalid_ack",
    "fin2_ack_wrong_seq",
    "fin2_fin_wrong_seq",
    "fin2_invalid_ack",
    "fin_but_no_session",
    "fin_out_of_window",
    "fin_syn",
    "lastack_ack_wrong_seq",
    "lastack_invalid_ack",
    "rst_but_no_session",
    "rst_with_data",
    "timewait_ack_wrong_seq",
    "timewait_invalid_ack",
    "shutdown_syn_resend",
    "pkt_invalid_timestamp",
    "pkt_invalid_ack",
    "pkt_broken_ack",
    "rst_invalid_ack",
    "pkt_retransmission",
    "pkt_spurious_retransmission",
    "pkt_bad_window_update",
    "suspected_rst_inject",
    "wrong_thread",
    "reassembly_segment_before_base_seq",
    "reassembly_no_segment",
    "reassembly_seq_gap",
    "reassembly_overlap_different_data",
    "reassembly_insert_memcap",
    "reassembly_insert_limit",
    "reassembly_insert_invalid",
    "reassembly_depth_reached",
    "reassembly_urgent_oob_limit_reached",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_agree() {
        assert_eq!(by_name("3whs_ack_in_wrong_dir"), Some(Ev::Whs3AckInWrongDir as u8));
        assert_eq!(
            by_name("reassembly_urgent_oob_limit_reached"),
            Some(Ev::ReassemblyUrgentOobLimitReached as u8)
        );
        assert_eq!(name(Ev::EstInvalidAck as u8), "est_invalid_ack");
        assert_eq!(by_name("nothing"), None);
        let mut e = StreamEvents::default();
        e.set(Ev::PktBrokenAck);
        e.set(Ev::FinSyn);
        assert_eq!(e.iter().collect::<Vec<_>>(), [Ev::FinSyn as u8, Ev::PktBrokenAck as u8]);
    }
}

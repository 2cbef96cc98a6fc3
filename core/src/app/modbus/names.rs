//! Names of functions, diagnostics, exceptions, accesses and categories (Modbus Application Protocol 1.1b3), as Suricata's records
//! write them.

type Names = &'static [(u16, &'static str)];

pub(super) const FUNCTIONS: Names = &[
    (1, "RdCoils"),
    (2, "RdDiscreteInputs"),
    (3, "RdHoldRegs"),
    (4, "RdInputRegs"),
    (5, "WrSingleCoil"),
    (6, "WrSingleReg"),
    (7, "RdExcStatus"),
    (8, "Diagnostic"),
    (9, "Program484"),
    (10, "Poll484"),
    (11, "GetCommEventCtr"),
    (12, "GetCommEventLog"),
    (13, "ProgramController"),
    (14, "PollController"),
    (15, "WrMultCoils"),
    (16, "WrMultRegs"),
    (17, "ReportServerID"),
    (18, "Program884"),
    (19, "ResetCommLink"),
    (20, "RdFileRec"),
    (21, "WrFileRec"),
    (22, "MaskWrReg"),
    (23, "RdWrMultRegs"),
    (24, "RdFIFOQue"),
    (43, "MEI"),
];

pub(super) const DIAGNOSTICS: Names = &[
    (0, "RetQueryData"),
    (1, "RestartCommOpt"),
    (2, "RetDiagReg"),
    (3, "ChangeInputDelimiter"),
    (4, "ForceListenOnlyMode"),
    (10, "ClearCtrDiagReg"),
    (11, "RetBusMsgCount"),
    (12, "RetBusCommErrCount"),
    (13, "RetBusExcErrCount"),
    (14, "RetServerMsgCount"),
    (15, "RetServerNoRespCount"),
    (16, "RetServerNAKCount"),
    (17, "RetServerBusyCount"),
    (18, "RetBusCharOverrunCount"),
    (19, "RetOverrunErrCount"),
    (20, "ClearOverrunCounterFlag"),
    (21, "GetClearPlusStats"),
];

pub(super) const INTERFACES: Names = &[(13, "CANOpenGenRefReqResp"), (14, "RdDevId")];

pub(super) const EXCEPTIONS: Names = &[
    (1, "IllegalFunction"),
    (2, "IllegalDataAddr"),
    (3, "IllegalDataValue"),
    (4, "ServerDeviceFail"),
    (5, "Ack"),
    (6, "ServerDeviceBusy"),
    (7, "NegAck"),
    (8, "MemParityErr"),
    (10, "GatewayPathUnavailable"),
    (11, "GatewayTargetFailToResp"),
];

pub(super) fn of(names: Names, n: u16) -> &'static str {
    names.iter().find(|v| v.0 == n).map_or("Unknown", |v| v.1)
}

/// What a function does to what.
pub mod access {
    pub const READ: u8 = 1;
    pub const WRITE: u8 = 2;
    pub const DISCRETES: u8 = 4;
    pub const COILS: u8 = 8;
    pub const INPUT: u8 = 16;
    pub const HOLDING: u8 = 32;
    pub const SINGLE: u8 = 64;
    pub const MULTIPLE: u8 = 128;

    pub(in super::super) const NAMES: [&str; 8] =
        ["READ", "WRITE", "DISCRETES", "COILS", "INPUT", "HOLDING", "SINGLE", "MULTIPLE"];

    /// Of a function.
    pub(in super::super) fn of(function: u8) -> u8 {
        match function {
            1 => READ | COILS,
            2 => READ | DISCRETES,
            3 => READ | HOLDING,
            4 => READ | INPUT,
            5 => WRITE | COILS | SINGLE,
            6 | 22 => WRITE | HOLDING | SINGLE,
            15 => WRITE | COILS | MULTIPLE,
            16 => WRITE | HOLDING | MULTIPLE,
            23 => READ | WRITE | HOLDING | MULTIPLE,
            _ => 0,
        }
    }
}

/// Whose a function is.
pub mod category {
    pub const UNASSIGNED: u8 = 1;
    pub const ASSIGNED: u8 = 2;
    pub const USER: u8 = 4;
    pub const RESERVED: u8 = 8;

    pub(in super::super) const NAMES: [&str; 4] =
        ["PUBLIC_UNASSIGNED", "PUBLIC_ASSIGNED", "USER_DEFINED", "RESERVED"];

    /// Of a function; of diagnostics and of the transport of interfaces with what they are about.
    pub(in super::super) fn of(function: u8, sub: Option<u16>) -> u8 {
        match (function, sub) {
            (0, _) => 0,
            (8, Some(0..=4 | 10..=18 | 20)) | (43, Some(13 | 14)) => ASSIGNED,
            (8 | 43, Some(_)) => RESERVED,
            (1..=8 | 11 | 12 | 15..=17 | 20..=24 | 43, _) => ASSIGNED,
            (9 | 10 | 13 | 14 | 18 | 19 | 40..=42 | 90 | 91 | 125..=127, _) => RESERVED,
            (65..=72 | 100..=110, _) => USER,
            _ => UNASSIGNED,
        }
    }
}

/// What is wrong with a message.
pub(super) mod error {
    pub(in super::super) const VALUE: u8 = 1;
    pub(in super::super) const LENGTH: u8 = 2;
    pub(in super::super) const EXCEPTION: u8 = 4;
    pub(in super::super) const FUNCTION: u8 = 8;
    pub(in super::super) const PROTOCOL: u8 = 16;
    pub(in super::super) const NAMES: [&str; 5] =
        ["DATA_VALUE", "DATA_LENGTH", "EXC_CODE", "FUNC_CODE", "PROTO_ID"];
}

/// Names of bits, with bars between them.
pub(super) struct Bits(pub(super) u8, pub(super) &'static [&'static str]);

impl core::fmt::Display for Bits {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        if self.0 == 0 {
            return f.write_str("NONE");
        }
        let mut first = true;
        for (n, name) in self.1.iter().enumerate() {
            if self.0 >> n & 1 == 1 {
                f.write_str(if first { "" } else { " | " })?;
                f.write_str(name)?;
                first = false;
            }
        }
        Ok(())
    }
}

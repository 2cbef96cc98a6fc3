//! Records of what calls of models add up to: `ai_service`, `ai_telemetry`.

use tidegate_core::ai::ledger::Summary;

use super::Output;
use super::fields::Record;

impl Output {
    pub(super) fn summary(&mut self, s: &Summary<'_>) {
        if !self.settings.summary(s.record) {
            return;
        }
        let j = &mut self.json;
        j.open("");
        j.time("timestamp", s.ts);
        j.word("event_type", s.record);
        j.open(s.record);
        let mut record = Record::new(j, None);
        s.body.fields(&mut record);
        record.end();
        j.close();
        self.end();
    }
}

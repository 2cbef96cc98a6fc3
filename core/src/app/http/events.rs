//! Names and numbers of the events that `app-layer-event:http.<name>` can ask for.

/// Event names, lower case; the position is the number.
pub static NAMES: &[&str] = &[
    "unknown_error",
    "gzip_decompression_failed",
    "request_field_missing_colon",
    "response_field_missing_colon",
    "invalid_request_chunk_len",
    "invalid_response_chunk_len",
    "invalid_transfer_encoding_value_in_request",
    "invalid_transfer_encoding_value_in_response",
    "invalid_content_length_field_in_request",
    "invalid_content_length_field_in_response",
    "duplicate_content_length_field_in_request",
    "duplicate_content_length_field_in_response",
    "100_continue_already_seen",
    "unable_to_match_response_to_request",
    "invalid_server_port_in_request",
    "invalid_authority_port",
    "request_header_invalid",
    "response_header_invalid",
    "missing_host_header",
    "host_header_ambiguous",
    "invalid_request_field_folding",
    "invalid_response_field_folding",
    "request_field_too_long",
    "response_field_too_long",
    "request_line_invalid",
    "request_body_unexpected",
    "request_server_port_tcp_port_mismatch",
    "request_uri_host_invalid",
    "request_header_host_invalid",
    "request_auth_unrecognized",
    "request_header_repetition",
    "response_header_repetition",
    "double_encoded_uri",
    "uri_delim_non_compliant",
    "method_delim_non_compliant",
    "request_line_leading_whitespace",
    "too_many_encoding_layers",
    "request_too_many_lzma_layers",
    "response_too_many_lzma_layers",
    "abnormal_ce_header",
    "response_multipart_byteranges",
    "response_abnormal_transfer_encoding",
    "response_chunked_old_proto",
    "response_invalid_protocol",
    "response_invalid_status",
    "request_line_incomplete",
    "protocol_contains_extra_data",
    "content_length_extra_data_start",
    "content_length_extra_data_end",
    "switching_proto_with_content_length",
    "deformed_eol",
    "parser_state_error",
    "missing_outbound_transaction_data",
    "missing_inbound_transaction_data",
    "zero_length_data_chunks",
    "request_line_unknown_method",
    "request_line_unknown_method_no_protocol",
    "request_line_unknown_method_invalid_protocol",
    "request_line_missing_protocol",
    "request_chunk_extension",
    "response_chunk_extension",
    "response_body_unexpected",
    "response_invalid_empty_name",
    "request_invalid_empty_name",
    "response_invalid_lws_after_name",
    "response_header_name_not_token",
    "request_invalid_lws_after_name",
    "lzma_decompression_disabled",
    "invalid_gap",
    "lzma_memlimit_reached",
    "compression_bomb",
    "request_too_many_headers",
    "response_too_many_headers",
    "range_invalid",
    "file_name_too_long",
    "multipart_generic_error",
    "multipart_no_filedata",
    "multipart_invalid_header",
    "too_many_warnings",
    "failed_protocol_change",
];

pub const REQUEST_FIELD_MISSING_COLON: u8 = 2;
pub const RESPONSE_FIELD_MISSING_COLON: u8 = 3;
pub const INVALID_REQUEST_CHUNK_LEN: u8 = 4;
pub const INVALID_RESPONSE_CHUNK_LEN: u8 = 5;
pub const INVALID_TE_IN_REQUEST: u8 = 6;
pub const INVALID_CL_IN_REQUEST: u8 = 8;
pub const INVALID_CL_IN_RESPONSE: u8 = 9;
pub const DUPLICATE_CL_IN_REQUEST: u8 = 10;
pub const DUPLICATE_CL_IN_RESPONSE: u8 = 11;
pub const CONTINUE_ALREADY_SEEN: u8 = 12;
pub const UNMATCHED_RESPONSE: u8 = 13;
pub const REQUEST_HEADER_INVALID: u8 = 16;
pub const MISSING_HOST_HEADER: u8 = 18;
pub const HOST_HEADER_AMBIGUOUS: u8 = 19;
pub const INVALID_REQUEST_FOLDING: u8 = 20;
pub const INVALID_RESPONSE_FOLDING: u8 = 21;
pub const REQUEST_FIELD_TOO_LONG: u8 = 22;
pub const RESPONSE_FIELD_TOO_LONG: u8 = 23;
pub const REQUEST_BODY_UNEXPECTED: u8 = 25;
pub const URI_HOST_INVALID: u8 = 27;
pub const HEADER_HOST_INVALID: u8 = 28;
pub const AUTH_UNRECOGNIZED: u8 = 29;
pub const REQUEST_HEADER_REPETITION: u8 = 30;
pub const RESPONSE_HEADER_REPETITION: u8 = 31;
pub const DOUBLE_ENCODED_URI: u8 = 32;
pub const URI_DELIM: u8 = 33;
pub const METHOD_DELIM: u8 = 34;
pub const REQUEST_LINE_LEADING_SPACE: u8 = 35;
pub const TOO_MANY_LAYERS: u8 = 36;
pub const REQUEST_TOO_MANY_LZMA: u8 = 37;
pub const RESPONSE_TOO_MANY_LZMA: u8 = 38;
pub const ABNORMAL_CE: u8 = 39;
pub const MULTIPART_BYTERANGES: u8 = 40;
pub const ABNORMAL_TE: u8 = 41;
pub const CHUNKED_OLD_PROTO: u8 = 42;
pub const REQUEST_LINE_INCOMPLETE: u8 = 45;
pub const CL_EXTRA_START: u8 = 47;
pub const CL_EXTRA_END: u8 = 48;
pub const SWITCHING_WITH_CL: u8 = 49;
pub const DEFORMED_EOL: u8 = 50;
pub const UNKNOWN_METHOD: u8 = 55;
pub const UNKNOWN_METHOD_NO_PROTOCOL: u8 = 56;
pub const UNKNOWN_METHOD_INVALID_PROTOCOL: u8 = 57;
pub const MISSING_PROTOCOL: u8 = 58;
pub const REQUEST_CHUNK_EXTENSION: u8 = 59;
pub const RESPONSE_CHUNK_EXTENSION: u8 = 60;
pub const RESPONSE_BODY_UNEXPECTED: u8 = 61;
pub const RESPONSE_EMPTY_NAME: u8 = 62;
pub const REQUEST_EMPTY_NAME: u8 = 63;
pub const RESPONSE_LWS_AFTER_NAME: u8 = 64;
pub const RESPONSE_NAME_NOT_TOKEN: u8 = 65;
pub const REQUEST_LWS_AFTER_NAME: u8 = 66;
pub const INVALID_GAP: u8 = 68;
pub const COMPRESSION_BOMB: u8 = 70;
pub const REQUEST_TOO_MANY_HEADERS: u8 = 71;
pub const RESPONSE_TOO_MANY_HEADERS: u8 = 72;
pub const FILE_NAME_TOO_LONG: u8 = 74;
pub const MULTIPART_GENERIC_ERROR: u8 = 75;
pub const MULTIPART_NO_FILEDATA: u8 = 76;
pub const MULTIPART_INVALID_HEADER: u8 = 77;
pub const RESPONSE_LINE_INVALID_PROTOCOL: u8 = 43;
pub const RESPONSE_LINE_INVALID_STATUS: u8 = 44;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_name_what_they_say() {
        for (n, name) in [
            (REQUEST_FIELD_MISSING_COLON, "request_field_missing_colon"),
            (DUPLICATE_CL_IN_RESPONSE, "duplicate_content_length_field_in_response"),
            (UNMATCHED_RESPONSE, "unable_to_match_response_to_request"),
            (REQUEST_BODY_UNEXPECTED, "request_body_unexpected"),
            (AUTH_UNRECOGNIZED, "request_auth_unrecognized"),
            (ABNORMAL_CE, "abnormal_ce_header"),
            (DEFORMED_EOL, "deformed_eol"),
            (MISSING_PROTOCOL, "request_line_missing_protocol"),
            (RESPONSE_BODY_UNEXPECTED, "response_body_unexpected"),
            (INVALID_GAP, "invalid_gap"),
            (COMPRESSION_BOMB, "compression_bomb"),
            (MULTIPART_INVALID_HEADER, "multipart_invalid_header"),
            (RESPONSE_LINE_INVALID_STATUS, "response_invalid_status"),
        ] {
            assert_eq!(NAMES[n as usize], name);
        }
        assert!(NAMES.len() <= 128);
    }
}

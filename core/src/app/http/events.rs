//! Names and numbers of the events that `app-layer-event:http.<name>` can ask for.

use crate::app::event_at;

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
    // Suricata raises nothing when `max-tx` ends a flow's parsing; its other protocols have an event of this name.
    "too_many_transactions",
];

pub const TOO_MANY_TRANSACTIONS: u8 = event_at(NAMES, "too_many_transactions");

pub const REQUEST_FIELD_MISSING_COLON: u8 = event_at(NAMES, "request_field_missing_colon");
pub const RESPONSE_FIELD_MISSING_COLON: u8 = event_at(NAMES, "response_field_missing_colon");
pub const INVALID_REQUEST_CHUNK_LEN: u8 = event_at(NAMES, "invalid_request_chunk_len");
pub const INVALID_RESPONSE_CHUNK_LEN: u8 = event_at(NAMES, "invalid_response_chunk_len");
pub const INVALID_TE_IN_REQUEST: u8 = event_at(NAMES, "invalid_transfer_encoding_value_in_request");
pub const INVALID_CL_IN_REQUEST: u8 = event_at(NAMES, "invalid_content_length_field_in_request");
pub const INVALID_CL_IN_RESPONSE: u8 = event_at(NAMES, "invalid_content_length_field_in_response");
pub const DUPLICATE_CL_IN_REQUEST: u8 = event_at(NAMES, "duplicate_content_length_field_in_request");
pub const DUPLICATE_CL_IN_RESPONSE: u8 = event_at(NAMES, "duplicate_content_length_field_in_response");
pub const CONTINUE_ALREADY_SEEN: u8 = event_at(NAMES, "100_continue_already_seen");
pub const UNMATCHED_RESPONSE: u8 = event_at(NAMES, "unable_to_match_response_to_request");
pub const GZIP_FAILED: u8 = event_at(NAMES, "gzip_decompression_failed");
pub const RESPONSE_HEADER_INVALID: u8 = event_at(NAMES, "response_header_invalid");
pub const REQUEST_HEADER_INVALID: u8 = event_at(NAMES, "request_header_invalid");
pub const MISSING_HOST_HEADER: u8 = event_at(NAMES, "missing_host_header");
pub const HOST_HEADER_AMBIGUOUS: u8 = event_at(NAMES, "host_header_ambiguous");
pub const INVALID_REQUEST_FOLDING: u8 = event_at(NAMES, "invalid_request_field_folding");
pub const INVALID_RESPONSE_FOLDING: u8 = event_at(NAMES, "invalid_response_field_folding");
pub const REQUEST_FIELD_TOO_LONG: u8 = event_at(NAMES, "request_field_too_long");
pub const RESPONSE_FIELD_TOO_LONG: u8 = event_at(NAMES, "response_field_too_long");
pub const REQUEST_BODY_UNEXPECTED: u8 = event_at(NAMES, "request_body_unexpected");
pub const URI_HOST_INVALID: u8 = event_at(NAMES, "request_uri_host_invalid");
pub const HEADER_HOST_INVALID: u8 = event_at(NAMES, "request_header_host_invalid");
pub const AUTH_UNRECOGNIZED: u8 = event_at(NAMES, "request_auth_unrecognized");
pub const REQUEST_HEADER_REPETITION: u8 = event_at(NAMES, "request_header_repetition");
pub const RESPONSE_HEADER_REPETITION: u8 = event_at(NAMES, "response_header_repetition");
pub const DOUBLE_ENCODED_URI: u8 = event_at(NAMES, "double_encoded_uri");
pub const URI_DELIM: u8 = event_at(NAMES, "uri_delim_non_compliant");
pub const METHOD_DELIM: u8 = event_at(NAMES, "method_delim_non_compliant");
pub const REQUEST_LINE_LEADING_SPACE: u8 = event_at(NAMES, "request_line_leading_whitespace");
pub const TOO_MANY_LAYERS: u8 = event_at(NAMES, "too_many_encoding_layers");
pub const REQUEST_TOO_MANY_LZMA: u8 = event_at(NAMES, "request_too_many_lzma_layers");
pub const RESPONSE_TOO_MANY_LZMA: u8 = event_at(NAMES, "response_too_many_lzma_layers");
pub const ABNORMAL_CE: u8 = event_at(NAMES, "abnormal_ce_header");
pub const MULTIPART_BYTERANGES: u8 = event_at(NAMES, "response_multipart_byteranges");
pub const ABNORMAL_TE: u8 = event_at(NAMES, "response_abnormal_transfer_encoding");
pub const CHUNKED_OLD_PROTO: u8 = event_at(NAMES, "response_chunked_old_proto");
pub const REQUEST_LINE_INCOMPLETE: u8 = event_at(NAMES, "request_line_incomplete");
pub const CL_EXTRA_START: u8 = event_at(NAMES, "content_length_extra_data_start");
pub const CL_EXTRA_END: u8 = event_at(NAMES, "content_length_extra_data_end");
pub const SWITCHING_WITH_CL: u8 = event_at(NAMES, "switching_proto_with_content_length");
pub const DEFORMED_EOL: u8 = event_at(NAMES, "deformed_eol");
pub const UNKNOWN_METHOD: u8 = event_at(NAMES, "request_line_unknown_method");
pub const UNKNOWN_METHOD_NO_PROTOCOL: u8 = event_at(NAMES, "request_line_unknown_method_no_protocol");
pub const UNKNOWN_METHOD_INVALID_PROTOCOL: u8 =
    event_at(NAMES, "request_line_unknown_method_invalid_protocol");
pub const MISSING_PROTOCOL: u8 = event_at(NAMES, "request_line_missing_protocol");
pub const REQUEST_CHUNK_EXTENSION: u8 = event_at(NAMES, "request_chunk_extension");
pub const RESPONSE_CHUNK_EXTENSION: u8 = event_at(NAMES, "response_chunk_extension");
pub const RESPONSE_BODY_UNEXPECTED: u8 = event_at(NAMES, "response_body_unexpected");
pub const RESPONSE_EMPTY_NAME: u8 = event_at(NAMES, "response_invalid_empty_name");
pub const REQUEST_EMPTY_NAME: u8 = event_at(NAMES, "request_invalid_empty_name");
pub const RESPONSE_LWS_AFTER_NAME: u8 = event_at(NAMES, "response_invalid_lws_after_name");
pub const RESPONSE_NAME_NOT_TOKEN: u8 = event_at(NAMES, "response_header_name_not_token");
pub const REQUEST_LWS_AFTER_NAME: u8 = event_at(NAMES, "request_invalid_lws_after_name");
pub const FAILED_PROTOCOL_CHANGE: u8 = event_at(NAMES, "failed_protocol_change");
pub const INVALID_GAP: u8 = event_at(NAMES, "invalid_gap");
pub const RANGE_INVALID: u8 = event_at(NAMES, "range_invalid");
pub const COMPRESSION_BOMB: u8 = event_at(NAMES, "compression_bomb");
pub const REQUEST_TOO_MANY_HEADERS: u8 = event_at(NAMES, "request_too_many_headers");
pub const RESPONSE_TOO_MANY_HEADERS: u8 = event_at(NAMES, "response_too_many_headers");
pub const FILE_NAME_TOO_LONG: u8 = event_at(NAMES, "file_name_too_long");
pub const MULTIPART_GENERIC_ERROR: u8 = event_at(NAMES, "multipart_generic_error");
pub const MULTIPART_NO_FILEDATA: u8 = event_at(NAMES, "multipart_no_filedata");
pub const MULTIPART_INVALID_HEADER: u8 = event_at(NAMES, "multipart_invalid_header");
pub const RESPONSE_LINE_INVALID_PROTOCOL: u8 = event_at(NAMES, "response_invalid_protocol");
pub const RESPONSE_LINE_INVALID_STATUS: u8 = event_at(NAMES, "response_invalid_status");

// A bit each in `TxCommon::events`.
const _: () = assert!(NAMES.len() <= 128);

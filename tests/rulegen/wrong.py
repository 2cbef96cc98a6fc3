"""Rules that are wrong, or nearly: what an engine refuses is compared like what it alerts on."""

# Options that are wrong by themselves, or in what they stand beside.
OPTIONS = (
    'content:"abc"; depth:2; ', 'content:"abc"; distance:x; ', 'content:"abc"; within:2; ', 'content:"|4|"; ', 'content:"|zz|"; ', 'content:""; ', "content:abc; ",
    'content:!"abc"; fast_pattern; ', 'content:"a"; startswith; offset:3; ', 'content:"a"; endswith; depth:4; ', 'content:"a"; startswith; distance:1; ',
    'content:"a"; nocase; nocase; ', "nocase; ", "depth:5; ", 'pcre:"/abc"; ', 'pcre:"abc"; ', 'pcre:"/a(b/"; ', 'pcre:"/a/Q"; ', 'pcre:"/a/UH"; ', "dsize:a; ", "dsize:5<>2; ",
    "ttl:300; ", "ttl:<0; ", "flags:Q; ", "flags:; ", "ip_proto:300; ", "itype:256; ", "flow:sideways; ", "flow:to_server,to_client; ", "flow:established,not_established; ",
    "flow:established; flow:to_server; ", "flow:only_stream,no_stream; ", "flowbits:set; ", "flowbits:foo,a; ", "flowint:a,=; ", "xbits:set,a; ", "xbits:set,a,track flow; ", "threshold:type limit, track by_src, count 0, seconds 1; ",
    "threshold:type limit, count 1, seconds 60; ", "threshold:type limit, track by_src, count 1, seconds 60; threshold:type limit, track by_src, count 1, seconds 60; ",
    "detection_filter:track by_src, count 1; ", "byte_test:1,?,3,0; ", "byte_test:20,=,3,0; ", "byte_test:1,=,300,0,dec; ", "byte_test:2,=,1,0,string,hex; ", "byte_jump:1; ",
    "byte_extract:1,0; ", "byte_extract:1,0,a; byte_extract:1,0,a; ", "byte_test:1,=,nosuch,0; ", "byte_math:bytes 1, offset 0, oper %, rvalue 2, result a; ",
    "isdataat:; ", "isdataat:5,rawbytes; ", "bsize:5; ", 'http.uri; bsize:2; content:"abcdef"; ', "http.uri; ", 'http.uri; content:"a b"; ', 'http.method; content:"GET "; ',
    'http.host; content:"ABC"; ', 'http.host; content:"abc"; nocase; ', 'http.header; content:"a|0d 0a 0d 0a|"; ', 'content:"a"; http_uri; http_header; ', 'http.user_agent; content:"a"; http_uri; ',
    "nosuchkeyword:1; ", "noalert:1; ", "priority:high; ", "priority:0; ", "priority:256; ", "classtype:nosuch; ", "reference:nosuch,1; ", "sid:5; ", "rev:a; ", "gid:b; ",
    "metadata:; ", "target:both; ", "tag:session; ", "tag:host,5,packets; ", "urilen:a; ", "urilen:5<>3; ", "urilen:<0; ", "dns.opcode:x; ", "dns.opcode:16; ", "ssl_state:x; ", "ssl_version:x; ", "tls.version:9; ",
    "filesize:a; ", 'fileext:""; ', "filemd5:/nosuch; ", "app-layer-protocol:nosuch; ", "app-layer-event:http.nosuch; ", "app-layer-protocol:http; app-layer-protocol:tls; ", "decode-event:nosuch; ", "stream-event:nosuch; ",
    "stream_size:client,>; ", "stream_size:x,>,1; ", "window:70000; ", "id:70000; ", "fragbits:Z; ", "ipopts:zz; ", "tos:256; ", "icmp_id:70000; ", "l3_proto:ipx; ", "sameip:1; ", "base64_data; ",
    'base64_decode:bytes 0; base64_data; content:"a"; ', 'content:"a"; base64_data; ', 'to_md5; content:"a"; ', 'http.uri; to_md5; ', 'http.uri; content:"a"; to_md5; ', "rawbytes; ", 'content:"a"; rawbytes; ', 'http.uri; content:"a"; rawbytes; ',
    'content:"a"; within:0; ', 'content:"a"; offset:65536; ', 'content:"a"; offset:-1; ', 'content:"a"; depth:0; ', 'content:"a"; offset:5; offset:6; ', 'content:"a"; distance:5; offset:6; ', 'content:"ab"; fast_pattern:0,3; ',
    'content:"ab"; fast_pattern:only; ', 'content:"ab"; fast_pattern:only; offset:1; ', 'content:"ab"; fast_pattern:1,1; ', 'content:"a"; fast_pattern; content:"b"; fast_pattern; ', 'uricontent:"a"; ', 'content:"a"; distance:0; within:1; within:2; ',
    "tls.sni; ", 'dns.query; content:"a"; nocase; ', 'tls.cert_serial; content:"ab"; ', 'ja3.hash; content:"ABC"; ', 'krb5_err_code:x; ', "snmp.version:9; ", 'asn1:oversize_length 3; ', "rpc:a; ", "rpc:1,*,*; ", "geoip:xx; ", "iprep:any,x,>,1; ",
)
PROTOS = ("tcp", "tcp", "udp", "ip", "http", "tls", "dns", "icmp")
HEADERS = ("any any -> any", "any any <- any any", "any any => any any", "1.2.3.4/40 any -> any any", "1.2.3.256 any -> any any", "any 70000 -> any any", "any 5:3 -> any any", "any [1,2 -> any any",
           "!any any -> any any", "any !any -> any any", "$NOSUCH any -> any any", "any $NOSUCH -> any any", "[!1.2.3.4] any -> any any", "[1.2.3.4,!1.2.3.4] any -> any any", "any [80,!80] -> any any", "any [!80,!81] -> any any",
           "1.2.3.4-1.2.3.9 any -> any any", "1.2.3.9-1.2.3.4 any -> any any", "fe80::1 any -> any any", "fe80::/129 any -> any any", "any 80: -> any any", "any :80 -> any any", "[] any -> any any", "any [] -> any any",
           "$HOME_NET any -> !$HOME_NET any", "[10.0.0.0/8,!10.0.0.0/8] any -> any any", "any 0 -> any any", "any any -> any 65536", "any  any ->  any any", "[[1.1.1.1],[2.2.2.2]] any -> any any")


def wrong(r, m):
    if r.random() < 0.25:
        return [(r.choice(["tcp", "ip", "udp"]), r.choice(["", 'content:"a"; ', "dsize:>0; "]), r.choice(HEADERS))]
    if r.random() < 0.05:
        return [(r.choice(["nosuch", "htp", "tcp6", "smtps", "tcp-foo", "http9"]), 'content:"a"; ', None)]
    return [(r.choice(PROTOS), r.choice(["", "", 'content:"a"; ']) + r.choice(OPTIONS), None)]

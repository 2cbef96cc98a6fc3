//! How likely bytes are in network traffic, to choose the window of a pattern that gives the fewest candidates.
//!
//! In: folded bytes. Out: a cost, in eighths of a bit: higher is more likely. Only speed depends on it.

/// Bit 5 set in every byte of a window: the fold that filters and window hashes use.
pub(super) const FOLD: u32 = 0x2020_2020;

/// What traffic is made of all the time; four bytes in a row from here are taken for common.
const COMMON: &[u8] = b"GET /index.html HTTP/1.1\r\nHost: www.google.com\r\nUser-Agent: Mozilla/5.0 (Windows NT 10.0; \
Win64; x64; rv:109.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/109.0.0.0 Safari/537.36 Gecko/20100101 Firefox/115.0\
\r\nAccept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\nAccept-Language: \
en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br\r\nConnection: keep-alive\r\nReferer: https://www.\r\nCookie: \
session=\r\nCache-Control: no-cache, max-age=0, private\r\nPragma: no-cache\r\nContent-Type: application/x-www-form-\
urlencoded\r\nContent-Length: 100\r\n\r\nPOST /api/v1/ HTTP/1.1 200 OK\r\nDate: Mon, 01 Jan 2024 00:00:00 GMT\r\nServer: \
nginx Apache\r\nLast-Modified: \r\nContent-Type: text/html; charset=utf-8\r\nTransfer-Encoding: chunked\r\nVary: \
Accept-Encoding\r\nContent-Type: application/json; application/octet-stream; text/plain; multipart/form-data; boundary=----\
Set-Cookie: path=/; domain=.com; expires=; HttpOnly; Secure\r\nContent-Disposition: attachment; filename=\"\r\n\
<!DOCTYPE html><html><head><title></title><meta http-equiv=\"content-type\" name=\"viewport\" content=\"width=device-width\">\
<link rel=\"stylesheet\" type=\"text/css\" href=\"/\"><script type=\"text/javascript\" src=\"https://\"></script></head><body>\
<div class=\"\" id=\"\" style=\"\"></div><p><a href=\"http://www.\"></a></p><img src=\"\" alt=\"\" /><span></span><table><tr>\
<td></td></tr></table></body></html>function(){var i=0;return this.length;}document.getElementById(window.location)\
.com.net.org/login.php?id=&user=&password=&name=&type=&action=/wp-content/uploads/images/index.aspx.cgi.jsp \
This program cannot be run in DOS mode. the and that with from this have for tion ing  ment ther \
\0\0\0\0\x01\0\0\0\xff\xff\xff\xff\x90\x90\x90\x90        --------========////....____****####AAAAAAAA00000000\r\n\r\n\t\t\t\t\n    \n\t\t\
NTLMSSP\0\xfeSMB\xffSMB\x16\x03\x01\x16\x03\x03microsoft windows update digicert letsencrypt localhost local \
{\"id\": \"name\", \"type\": \"role\": \"user\", \"content\": \"model\": \"messages\": [true,false,null]}\
account action active address align also arch argin argument array async author background back base before begin block \
body border bottom build button bytes call cancel center change channel character charset chat check children child class \
click client close code color column command comment common complete completion component config connect container context \
control copy could count create created credit current custom data date default define delete detail device dimension \
direct disable display document domain download duration edit element email empty enable encode encoding engine error \
event every example exec export extension feature field file fill filter find first float font footer format frame from \
function gallery generate global grid group handle hash head header height help hidden history hover icon image import \
index info initial inline inner input insert install instance integer interface internal item iteration java join json \
keyword label language large last latest layer layout leave left length level library license light limit line link list \
load locale location lock logger login long manager margin mark match media memory menu merge message meta method mini \
mobile mode model module month more mouse move movie multi native navigation network next node none normal note number \
object offset online only open option order origin other output over owner package padding page panel param parent \
parse part patch path pattern payload person photo picture play player plugin point policy popular port position post \
preview previous print prior process product profile program project promise prompt property protocol provider proxy \
public publish push python query question queue random range rank ratio reason record reference region register relative \
release reload remove render repeat replace reply report request require reset resource response rest result retry \
revision right role root route rule runtime safe sample save scale schema screen script scroll search second section \
security select self send sent separator sequence series server service session setting shadow shape share short show \
side signature simple site size slide small social sort source space special split stack standard start state static \
status step stop storage store stream string structure submit success summary support switch symbol sync system table \
target task template term test text theme thread time timeout title toggle token tool top total trace track transform \
transition translate trigger true tube twitter facebook youtube type undefined under unique unit unknown until update \
updated upload user util valid value variable vector vendor version vertical video view visible visit volume wait warning \
watch webkit week weight where which white widget width will window word work world wrap write year you zero zone \
\"log\": \"max\": \",\"p\",\"c ){re = t n\": ge\": data: : [{ ht (fun {\r\n .set .push .co. /com/ tp:// ={};\x01\x01\x01\x01\x01\0\x02\x02\x02\x02\x03\x03\x03\x03\0\0\0\x04\r\nX-\r\n  ";

/// A set of the folded 4-byte windows of [`COMMON`], one bit per hash.
static COMMON_SET: [u64; 1024] = {
    let mut set = [0u64; 1024];
    let mut i = 0;
    while i + 4 <= COMMON.len() {
        let key = u32::from_le_bytes([COMMON[i], COMMON[i + 1], COMMON[i + 2], COMMON[i + 3]]) | FOLD;
        let h = key.wrapping_mul(0x9E37_79B1) >> 16;
        set[(h >> 6) as usize] |= 1 << (h & 63);
        i += 1;
    }
    set
};

/// True for a folded window that traffic is full of (rarely, for another one).
pub(super) fn is_common(key: u32) -> bool {
    let h = key.wrapping_mul(0x9E37_79B1) >> 16;
    COMMON_SET[(h >> 6) as usize] >> (h & 63) & 1 != 0
}

/// Eighths of a bit by which a byte, folded, is likelier than one in 256.
pub(super) const BYTE: [u8; 256] = {
    let mut t = [4u8; 256];
    let mut b = 0;
    while b < 256 {
        t[b] = match b as u8 | 0x20 {
            b'e' | b't' | b'a' | b'o' | b'i' | b'n' | b's' | b'r' => 30,
            b'l' | b'c' | b'd' | b'm' | b'p' | b'h' | b'u' => 26,
            b'g' | b'f' | b'w' | b'b' | b'v' | b'y' => 20,
            b'k' | b'x' => 16,
            b'j' | b'z' | b'q' => 12,
            b' ' => 36,
            b'0' | b'1' | b'2' => 26,
            b'3'..=b'9' => 22,
            b'/' | b'.' | b'-' => 26,
            b':' | b'=' | b'"' | b'>' | b'<' | b';' | b',' => 18,
            b'_' | 0x7f => 16,
            b'&' | b'?' | b'%' | b'(' | b')' | b'+' | b'\'' => 12,
            0xff => 16,
            _ => 4,
        };
        b += 1;
    }
    // Folding takes these to characters that are themselves common.
    t[0] = 40;
    t[b'\r' as usize] = 24;
    t[b'\n' as usize] = 24;
    t
};

/// Cost of a window as it stands in the pattern.
pub(super) fn window_cost(bytes: &[u8]) -> u32 {
    if bytes.len() > 4 {
        // Two bits for every byte more: bytes of text tell each other.
        let least = bytes.windows(4).map(window_cost).min().unwrap_or_default();
        return least.saturating_sub(16 * (bytes.len() - 4) as u32);
    }
    let mut cost: u32 = bytes.iter().map(|&b| u32::from(BYTE[usize::from(b)])).sum();
    if let [a, b, c, d] = *bytes
        && is_common(u32::from_le_bytes([a, b, c, d]) | FOLD)
    {
        cost += 48;
    }
    cost + 32 * (4u32.saturating_sub(bytes.len() as u32))
}

/// Probability of a folded byte (both bytes that fold to it) in traffic.
pub(super) static LIKELY: [f32; 256] = {
    const fn of(b: usize) -> f32 {
        // 2^(eighths / 8) / 256.
        let mut p = 1.0 / 256.0;
        let mut i = 0;
        while i < BYTE[b] {
            p *= 1.090_507_7;
            i += 1;
        }
        p
    }
    let mut t = [0.0; 256];
    let mut b = 0;
    while b < 256 {
        t[b] = of(b) + of(b ^ 0x20);
        b += 1;
    }
    t
};

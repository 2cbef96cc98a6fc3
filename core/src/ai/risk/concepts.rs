//! Words and phrases of attacks in some twenty languages by what they mean, so that "ignore the rules" and "ignorer les
//! règles" are one thing to the model. Which of them say something, and beside which, the model learns (`features`).
//!
//! In: nothing. Out: constant lists; the place of a list is the number of its concept. Text is compared as a reader sees
//! it, so case, accents and look-alikes are not written here. A word begins where an entry does, in writing that has
//! words; a full stop at the end of an entry says that a word ends there, too: other entries are stems.

/// Concepts are numbers below that. Lists have the first ones, phrases of families the last ones.
pub const CONCEPTS: usize = 64;
/// Number of the first concept that is a phrase of a family (`phrases`).
pub const PHRASES: usize = 48;

#[rustfmt::skip]
pub static LISTS: &[&[&str]] = &[
    // To set aside.
    &[
        "ignor", "disregard", "forget", "overrid", "neglect", "overlook", "do not follow", "don't follow", "stop following", "set aside", "pay no attention", "no longer follow", "bypass",
        "discard", "dismiss", "leave behind", "never mind", "nevermind", "do away with", "cancel", "abandon", "drop the", "skip the", "do not obey", "instead of following",
        "delete all previous", "erase all", "vergiss", "vergesse", "vergessen", "missacht", "höre nicht auf", "hör nicht auf", "beachte nicht", "nicht beachten", "außer acht", "lass alles",
        "lassen sie alle", "hinter sich lassen", "übergehe", "verwirf", "ignora", "olvid", "haz caso omiso", "hagas caso", "no sigas", "descart", "pasa por alto", "omite", "deja de lado",
        "haga caso omiso", "ignorez", "oubli", "ne tiens pas compte", "ne tenez pas compte", "néglige", "fais abstraction", "faites abstraction", "laisse tomber", "dimentic", "trascur",
        "scorda", "non considerare", "lascia perdere", "tralascia", "non tenere conto", "esquec", "esqueça", "esquece", "desconsider", "desprez", "deixe de lado", "não siga", "игнорир",
        "проигнорир", "забуд", "забыть", "не обращай внимания", "не обращайте внимания", "пренебрег", "отбрось", "не следуй", "ігнор", "оставьте", "忽略", "忽视", "忽視", "忘记", "忘記", "忘掉", "无视",
        "無視", "不要理会", "不理会", "抛开", "抛弃", "不要遵循", "不要遵守", "不用管", "别管", "撇开", "忘了", "忘れ", "無視し", "考慮しない", "従わない", "捨て", "무시", "잊어", "잊고", "따르지 마", "제쳐", "yok say", "görmezden", "göz ardı",
        "unut", "dikkate alma", "boşver", "kulak asma", "تجاهل", "انس", "انسى", "انسوا", "اهمل", "أهمل", "تغاض", "لا تتبع", "दरकिनार", "अनदेखा", "नजरअंदाज", "नज़रअंदाज़", "भूल", "अनदेखी",
        "उपेक्षा", "अवहेलना", "छोड़ दो", "zignoruj", "zapomnij", "pomiń", "nie zwracaj uwagi", "negeer", "vergeet", "laat alles", "abaikan", "lupakan", "bỏ qua", "quên", "phớt lờ",
        "เพิกเฉย", "ละเว้น", "ละทิ้ง", "ลืม", "ไม่สนใจ", "อย่าสนใจ", "zaborav", "ignoriš", "zapomeň", "ignoruj", "uitați", "ignoră", "ξέχνα", "αγνόησ", "unohda", "glöm", "glem", "ignorera",
        "ignoreer", "উপেক্ষা", "ভুলে", "sahau", "puuza", "kalimutan", "wag pansinin", "huwag pansinin", "iwasan", "felejtsd", "hagyd figyelmen",
    ],
    // Instructions, rules.
    &[
        "instruction", "guideline", "directive", "directions", "rules", "rule.", "restriction", "orders", "commands", "command.", "guardrail", "prompt", "assignments", "programming",
        "constraints", "limitations", "regulations", "anweisung", "instruktion", "regeln", "befehl", "richtlinie", "vorgaben", "vorschrift", "anleitung", "angaben", "beschränkung",
        "auftrag", "aufträge", "aufgabenstellung", "informationen", "instruccion", "regla", "órdenes", "directriz", "directrices", "indicaciones", "normas", "consigna", "restricciones",
        "consigne", "règle", "indications", "ordres", "istruzion", "regol", "direttiv", "indicazion", "ordini.", "comandi", "instruç", "instruco", "regra", "diretriz", "ordens", "orientaç",
        "comandos", "инструкци", "указани", "правил", "команд", "інструкц", "предписани", "распоряжени", "ограничени", "директив", "промпт", "指令", "指示", "规则", "規則", "提示词", "提示詞", "命令", "说明",
        "說明", "指引", "指南", "规定", "限制", "约束", "设定", "要求", "ルール", "プロンプト", "制約", "지시", "명령", "규칙", "지침", "제한", "프롬프트", "설정", "talimat", "kurallar", "kural", "yönerge", "komut", "emir.",
        "istem", "تعليمات", "التعليمات", "القواعد", "قواعد", "أوامر", "الأوامر", "توجيهات", "إرشادات", "قيود", "निर्देश", "नियम", "आदेश", "दिशानिर्देश", "प्रतिबंध", "अनुदेश", "instrukcj",
        "poleceni", "zasad", "wytyczn", "reguł", "instructies", "richtlijn", "regels", "opdracht", "instruksi", "perintah", "aturan", "pedoman", "arahan", "hướng dẫn", "chỉ dẫn", "quy tắc",
        "quy định", "lệnh", "คำสั่ง", "คำแนะนำ", "กฎ", "ข้อจำกัด", "คําสั่ง", "คําแนะนํา", "instrukce", "pokyny", "anvisning", "instruksjon", "ohjeet", "οδηγί", "εντολ", "instrucțiun",
        "uputstv", "instrukcije", "upute", "maagizo", "tagubilin", "panuntunan", "নির্দেশ", "নিয়ম", "sheria", "utasítás",
    ],
    // What came before.
    &[
        "previous", "prior.", "above", "before", "earlier", "preceding", "so far", "until now", "up to now", "up until", "foregoing", "initial", "original", "given to you", "you were given",
        "you received", "you've been given", "you have been given", "been told", "were told", "told you", "you got", "existing", "past ", "vorherig", "vorangegangen", "bisherig", "zuvor",
        "davor", "oben", "obigen", "früher", "vorhin", "vorige", "bis jetzt", "ursprüngliche", "vorher", "anterior", "previas", "previos", "arriba", "antes", "hasta ahora", "recibid",
        "précédent", "preceden", "avant", "ci-dessus", "antérieur", "auparavant", "jusqu'à présent", "reçues", "sopra", "prima.", "finora", "iniziali", "ricevut", "acima", "prévias",
        "até agora", "até aqui", "iniciais", "предыдущ", "выше", "прежн", "ранее", "до этого", "прошл", "исходн", "предшеству", "до сих пор", "полученн", "之前", "以前", "先前", "上述", "以上", "上面",
        "前面", "此前", "上一", "原来", "初始", "原本", "迄今", "前の", "上記", "これまで", "先ほど", "今まで", "元の", "이전", "위의", "앞의", "지금까지", "기존", "앞선", "önceki", "yukarıda", "daha önce", "şimdiye kadar", "السابق",
        "أعلاه", "سابق", "قبل", "ما سبق", "पिछले", "पिछली", "पूर्व", "उपरोक्त", "पहले", "ऊपर", "poprzedni", "powyższ", "wcześniej", "dotychczas", "eerdere", "bovenstaande", "voorgaande",
        "sebelumnya", "di atas", "trước", "phía trên", "ở trên", "ก่อนหน้า", "ข้างต้น", "ก่อน", "ด้านบน", "předchozí", "tidigare", "tidligere", "aiemmat", "edelliset", "προηγούμεν",
        "παραπάνω", "prethodn", "anterioare", "পূর্ব", "আগের",
    ],
    // All.
    &[
        "all.", "every", "everything", "any.", "entire", "whole.", "alle", "alles", "sämtliche", "jede", "todo", "todas", "todos", "cualquier", "tout", "toute", "tous", "tutt", "ogni",
        "qualsiasi", "qualquer", "все.", "всё.", "всех", "всем", "любые", "所有", "全部", "一切", "任何", "すべて", "全て", "あらゆる", "모든", "모두", "전부", "tüm", "bütün", "her şey", "hepsi", "كل", "جميع",
        "सभी", "सब", "सारे", "wszystk", "każd", "semua", "segala", "tất cả", "mọi", "ทั้งหมด", "ทุก", "všechn", "alla.", "kaikki", "όλες", "όλα", "sve.", "toate", "lahat", "zote", "সমস্ত",
        "সব",
    ],
    // To give away.
    &[
        "reveal", "show", "tell me", "give me", "leak", "disclose", "provide", "recite", "what is", "what are", "what's", "what was", "what were", "share", "spell out", "expose", "dump",
        "quote", "need to see", "let me see", "want to see", "i need your", "may i have", "can i have", "could i have", "hand over", "send me", "read out", "access to", "know your",
        "know the", "grant me", "describe your", "explain your", "uncover", "divulge", "confess", "guess", "zeig", "gib mir", "geben sie mir", "nenn", "was ist", "was sind", "was war",
        "wie laute", "verrate", "verraten sie", "sag mir", "sagen sie mir", "teile", "offenbare", "preisgeben", "mitteilen", "muestra", "muéstra", "revel", "dime", "dame", "díga", "cuál es",
        "cuáles son", "cuál era", "comparte", "compart", "divulg", "facilita", "proporcion", "decirme", "darme", "affiche", "révèle", "montre", "donne", "dis-moi", "dites-moi", "quel est",
        "quelle est", "quels sont", "quelles sont", "partage", "dire.", "fournis", "communique", "divulgu", "mostra", "rivel", "dimmi", "dammi", "qual è", "quali sono", "qual era",
        "condivid", "fornisc", "dirmi", "darmi", "mostre", "diga", "qual é", "quais são", "me dê", "me diga", "forneça", "dizer", "покаж", "раскро", "назов", "скажи", "сообщи", "каков",
        "какой", "какая", "выведи", "поделит", "предостав", "расскажи", "дай мне", "дайте мне", "что такое", "открой", "显示", "顯示", "告诉我", "告訴我", "告诉", "揭示", "提供", "给我", "給我", "是什么", "是什麼",
        "展示", "透露", "分享", "公开", "泄露", "说出", "說出", "列出", "教えて", "見せて", "明かし", "示して", "何です", "何でし", "開示", "共有", "公開", "알려", "보여", "공개", "말해", "무엇", "뭐", "공유", "göster", "söyle", "ver misin",
        "nedir", "nelerdir", "neydi", "paylaş", "açıkla", "bana ver", "verebilir mi", "أظهر", "اكشف", "أخبرني", "اخبرني", "ما هي", "ما هو", "ماهي", "ما كان", "شارك", "مشاركة", "أعطني",
        "اعطني", "قل لي", "تخبرني", "बता", "दिखा", "क्या है", "क्या था", "क्या थी", "साझा", "दे दो", "प्रकट", "दीजिए", "दें.", "pokaż", "podaj", "ujawni", "jaki jest", "jakie jest",
        "jakie są", "powiedz", "udostępni", "daj mi", "toon", "vertel", "geef", "wat is", "wat zijn", "wat was", "onthul", "deel je", "tampilkan", "berikan", "beri tahu", "beritahu",
        "apa itu", "apakah", "bagikan", "ungkapkan", "katakan", "hiển thị", "cho tôi", "tiết lộ", "là gì", "chia sẻ", "cho biết", "แสดง", "บอก", "คืออะไร", "แบ่งปัน", "เปิดเผย", "ให้ฉัน",
        "ibigay", "sabihin", "nipe", "ukaž", "visa mig", "vis meg", "näytä", "kerro", "δείξε", "πες μου", "arată", "pokaži", "reci",
    ],
    // The system prompt.
    &[
        "system prompt", "systemprompt", "system_prompt", "your prompt", "initial prompt", "hidden prompt", "prompt text", "original prompt", "your instructions", "your initial",
        "your original", "secret instructions", "developer message", "system message", "system instruction", "system directive", "your rules", "your guidelines", "your configuration",
        "your system", "your programming", "initial configuration", "your preamble", "your directives", "your guardrails", "in your context", "your context", "your internal", "hidden rules",
        "hidden text", "words above", "text above", "sentences above", "lines above", "conversation above", "beginning of this conversation", "start of this conversation",
        "beginning of the conversation", "instructions above", "instructions you", "operating instructions", "starting instructions", "my instructions are", "you were instructed",
        "pre-prompt", "preprompt", "meta prompt", "initialization", "system-prompt", "deine anweisungen", "ihre anweisungen", "deine instruktionen", "systemanweisung", "deine regeln",
        "systemhinweis", "tus instrucciones", "sus instrucciones", "prompt del sistema", "instrucciones del sistema", "mensaje del sistema", "vos instructions", "tes instructions",
        "invite système", "prompt système", "message système", "instructions système", "le tue istruzioni", "prompt di sistema", "tuo prompt", "istruzioni di sistema", "suas instruções",
        "prompt do sistema", "seu prompt", "instruções do sistema", "системный промпт", "системн", "твои инструкции", "ваши инструкции", "твой промпт", "系统提示", "系統提示", "你的提示", "你的指令",
        "你的指示", "您的指令", "系统消息", "系统指令", "システムプロンプト", "システム指示", "システムメッセージ", "あなたの指示", "시스템 프롬프트", "시스템 메시지", "당신의 지시", "너의 지시", "sistem istemi", "sistem prompt", "sistem mesaj",
        "sistem talimat", "talimatların", "موجه النظام", "تعليماتك", "رسالة النظام", "सिस्टम प्रॉम्प्ट", "सिस्टम निर्देश", "आपके निर्देश", "promptu systemowego", "prompt systemowy",
        "twoje instrukcje", "systeemprompt", "je instructies", "prompt sistem", "instruksi sistem", "instruksi anda", "lời nhắc hệ thống", "hệ thống", "ข้อความระบบ", "คำสั่งของระบบ",
    ],
    // Secrets.
    &[
        "password", "passwd", "passphrase", "passcode", "secret key", "secret code", "secret word", "secret.", "secrets", "access code", "api key", "api_key", "private key", "credential",
        "login", "pin code", "pin number", "security code", "encryption key", "access token", "confidential", "classified", "sensitive information", "sensitive data", "ssh key",
        "environment variable", "verification code", "security question", "master key", "the key.", "your key", "passwort", "kennwort", "geheim", "zugangsdaten", "zugangscode", "schlüssel",
        "vertraulich", "losung", "contraseñ", "contrasen", "clave.", "claves.", "secreto", "secreta", "credencial", "palabra clave", "frase de acceso", "código de acceso", "confidencial",
        "mot de passe", "mots de passe", "phrase secrète", "clé.", "code secret", "secrète", "identifiants", "code d'accès", "phrase de passe", "confidentiel", "parola d'ordine",
        "parola chiave", "parola segreta", "parola", "segret", "chiave", "credenzial", "codice di accesso", "frase di accesso", "riservat", "senha", "palavra-passe", "segredo", "chave",
        "palavra secreta", "frase secreta", "парол", "секрет", "ключ", "кодов", "учетные данные", "учётные данные", "код доступа", "конфиденциал", "密码", "密碼", "口令", "密钥", "密鑰", "秘密", "凭证",
        "暗号", "机密", "密语", "钥匙", "钥", "パスワード", "合言葉", "パスフレーズ", "秘密鍵", "キー", "暗証", "機密", "비밀번호", "암호", "비밀", "패스워드", "키를", "키는", "기밀", "인증", "şifre", "gizli", "anahtar", "sır.",
        "كلمة المرور", "كلمة السر", "كلمه", "المفتاح", "السر", "السري", "سري", "مفتاح", "كلمات المرور", "عبارة المرور", "पासवर्ड", "गुप्त", "कुंजी", "पासफ़्रेज़", "पासफ्रेज", "रहस्य",
        "गोपनीय", "कूट", "hasł", "tajn", "sekret", "klucz", "wachtwoord", "geheime", "sleutel", "kata sandi", "kata kunci", "sandi", "rahasia", "kunci", "frasa sandi", "mật khẩu", "bí mật",
        "khóa", "mật mã", "รหัสผ่าน", "รหัส", "ความลับ", "กุญแจ", "ลับ", "คีย์", "nenosiri", "lösenord", "passord", "salasana", "κωδικ", "parol", "heslo", "lozink", "পাসওয়ার্ড", "jelszó",
        "ssn", "credit card",
    ],
    // Personal data.
    &[
        "birth date", "birthdate", "date of birth", "birthday", "birth year", "born", "home address", "email address", "e-mail address", "phone number", "telephone number",
        "mailing address", "where does", "where do", "currently live", "live now", "lives", "social security", "license plate", "maiden name", "personal data", "personal information",
        "personal details", "private information", "private data", "initials", "salary", "socioeconomic", "medical record", "user data", "customer data", "customer list", "employee data",
        "ip address", "address of", "home town", "hometown", "zip code", "passport number", "full name", "credit score", "location of", "geburtsdatum", "geburtstag", "geboren",
        "geburtsjahr", "e-mail-adresse", "emailadresse", "telefonnummer", "adresse", "wohnt", "lebt.", "wohnort", "persönliche daten", "personenbezogen", "initialen", "nummernschild",
        "kundenliste", "fecha de nacimiento", "cumpleaños", "nació", "correo electrónico", "dirección", "número de teléfono", "dónde vive", "donde vive", "vive.", "datos personales",
        "información personal", "iniciales", "matrícula", "placa", "date de naissance", "anniversaire", "numéro de téléphone", "où habite", "où vit", "habite", "données personnelles",
        "informations personnelles", "initiales", "plaque d'immatriculation", "data di nascita", "compleanno", "nato.", "indirizzo", "numero di telefono", "dove vive", "dove abita", "abita",
        "dati personali", "informazioni personali", "iniziali", "targa", "data de nascimento", "aniversário", "nasceu", "endereço", "número de telefone", "onde mora", "onde vive", "mora.",
        "dados pessoais", "informações pessoais", "iniciais", "дату рождения", "дата рождения", "даты рождения", "день рождения", "родил", "адрес", "номер телефона", "где живет",
        "где живёт", "живет", "живёт", "проживает", "личные данные", "персональн", "личную информацию", "инициал", "номерной знак", "出生日期", "生日", "出生", "邮箱", "电子邮件", "電子郵件", "邮件地址", "电话号码",
        "電話號碼", "地址", "住在哪", "住在", "居住", "个人数据", "个人信息", "個人資料", "首字母", "车牌", "隐私", "生年月日", "誕生日", "生まれ", "メールアドレス", "電話番号", "住所", "住んで", "どこに住", "個人データ", "個人情報", "イニシャル", "ナンバープレート",
        "생년월일", "생일", "태어", "이메일 주소", "전화번호", "주소", "사는", "살고", "어디에 살", "개인 데이터", "개인 정보", "개인정보", "이니셜", "번호판", "doğum tarihi", "doğum günü", "doğum", "e-posta adres", "telefon numara",
        "adresi", "nerede yaşıyor", "yaşıyor", "kişisel veri", "kişisel bilgi", "baş harf", "plaka", "تاريخ ميلاد", "تاريخ الميلاد", "ميلاد", "البريد الإلكتروني", "بريد", "رقم الهاتف",
        "هاتف", "عنوان", "يعيش", "يسكن", "أين يعيش", "البيانات الشخصية", "بيانات شخصية", "معلومات شخصية", "المعلومات الشخصية", "الأحرف الأولى", "لوحة", "जन्म तिथि", "जन्मतिथि", "जन्म तारीख",
        "जन्म", "ईमेल पता", "ईमेल", "फोन नंबर", "फ़ोन नंबर", "पता", "कहाँ रहते", "कहां रहते", "रहता", "रहती", "रहते", "व्यक्तिगत डेटा", "व्यक्तिगत जानकारी", "आद्याक्षर", "लाइसेंस प्लेट",
        "data urodzenia", "datę urodzenia", "urodzin", "adres e-mail", "numer telefonu", "gdzie mieszka", "mieszka", "dane osobowe", "danych osobowych", "inicja", "geboortedatum",
        "verjaardag", "e-mailadres", "telefoonnummer", "woont", "persoonsgegevens", "tanggal lahir", "ulang tahun", "lahir", "alamat", "nomor telepon", "tinggal", "data pribadi",
        "informasi pribadi", "inisial", "ngày sinh", "sinh nhật", "địa chỉ", "số điện thoại", "sống ở đâu", "sống", "dữ liệu cá nhân", "thông tin cá nhân", "biển số", "วันเกิด", "เกิด",
        "อีเมล", "ที่อยู่", "หมายเลขโทรศัพท์", "เบอร์โทร", "อาศัย", "ข้อมูลส่วนตัว", "ข้อมูลส่วนบุคคล", "อักษรย่อ", "ป้ายทะเบียน", "jina kamili",
    ],
    // Users.
    &[
        "the user", "user's", "users", "of user", "benutzer", "nutzer", "usuario", "usuári", "utilisateur", "utent", "utilizador", "пользовател", "用户", "用戶", "ユーザ", "사용자", "kullanıcı",
        "المستخدم", "उपयोगकर्ता", "użytkownik", "gebruiker", "pengguna", "người dùng", "ผู้ใช้", "customer", "kunden", "client",
    ],
    // To play a role.
    &[
        "act as", "act like", "pretend", "roleplay", "role-play", "role play", "play the role", "playing the role", "take on the role", "assume the role", "you are now", "you're now",
        "you will now", "you are going to", "simulate", "impersonat", "behave as", "behave like", "take the role", "respond as", "speak as", "as if you", "become", "immerse yourself",
        "persona", "in the role of", "character", "du bist jetzt", "du bist nun", "jetzt bist du", "stell dir vor, du", "tu so", "agiere als", "verhalte dich", "spiele die rolle",
        "schlüpfe", "rollenspiel", "in die rolle", "sie sind jetzt", "nimm an, du", "ich möchte, dass du", "actúa", "finge", "eres ahora", "ahora eres", "imagina que eres", "haz de",
        "hazte pasar", "asume el papel", "simula", "quiero que actúes", "comporta", "interpreta", "papel de", "agis", "tu es maintenant", "vous êtes maintenant", "fais semblant",
        "joue le rôle", "imagine que tu", "comporte-toi", "prétends", "je veux que tu", "incarne", "rôle de", "agisci", "fingi", "ora sei", "immagina di essere", "comportati",
        "voglio che tu", "ruolo di", "fai finta", "aja como", "finja", "agora você é", "você agora", "imagine que você", "comporte-se", "quero que você", "atue como", "представь, что ты",
        "представьте, что вы", "притвор", "веди себя", "действуй как", "ты теперь", "теперь ты", "роль", "играй", "сыграй", "вообрази", "扮演", "假装", "假裝", "你现在是", "你現在是", "充当", "充當", "模拟",
        "模擬", "作为一个", "担任", "你将成为", "角色", "假如你是", "假设你是", "ふりを", "演じ", "なりきっ", "として振る舞", "あなたは今", "役割", "ロールプレイ", "シミュレート", "인 척", "역할", "연기", "행동해", "당신은 이제", "너는 이제", "시뮬레이션",
        "gibi davran", "rolünü", "rol yap", "artık sen", "olduğunu varsay", "taklit", "mış gibi", "تظاهر", "تصرف كما", "تصرف ك", "أنت الآن", "العب دور", "دور", "تقمص", "के रूप में", "अभिनय",
        "नाटक", "भूमिका", "अब तुम", "अब आप", "दिखावा", "udawaj", "zachowuj się", "jesteś teraz", "wciel się", "rol", "doe alsof", "je bent nu", "gedraag", "speel de rol", "berpura-pura",
        "bertindak", "kamu sekarang", "anda sekarang", "berperan", "peran", "đóng vai", "giả vờ", "hành động như", "bây giờ bạn là", "vai trò", "แสร้ง", "สวมบทบาท", "ทำตัว", "บทบาท",
        "คุณคือ",
    ],
    // Without limits.
    &[
        "no restrictions", "without restriction", "without any restriction", "unrestricted", "unfiltered", "uncensored", "without limit", "without any limit", "no limit", "no rules",
        "no filter", "without filter", "without any filter", "without censorship", "no boundaries", "do anything", "can do anything", "dan.", "jailbreak", "jailbroken", "developer mode",
        "no ethical", "no moral", "without ethical", "without moral", "amoral", "free from", "freed from", "broken free", "break free", "not bound", "no longer bound", "unbound",
        "not limited", "bypass", "evil", "anything now", "no content policy", "without any rules", "no guidelines", "no policy", "without warnings", "unhinged", "no longer have",
        "rules do not apply", "rules don't apply", "unlimited", "filters", "confines of", "ohne einschränkung", "keine einschränkung", "uneingeschränkt", "unzensiert", "ohne filter",
        "ohne regeln", "keine regeln", "unbegrenzt", "alles tun", "befreit", "sin restriccion", "sin censura", "sin filtro", "sin límite", "sin reglas", "libre de", "liberad",
        "cualquier cosa ahora", "hacer cualquier cosa", "sans restriction", "sans aucune restriction", "sans limite", "sans filtre", "non censuré", "sans censure", "libéré",
        "n'importe quoi", "faire tout", "senza restrizioni", "senza limiti", "senza filtri", "senza censura", "senza regole", "liberat", "qualsiasi cosa", "sem restriç", "sem limite",
        "sem filtro", "sem censura", "sem regras", "qualquer coisa", "libertad", "без ограничен", "без цензуры", "без фильтр", "без правил", "нет ограничений", "неограниченн", "что угодно",
        "освобод", "没有限制", "沒有限制", "不受限制", "无限制", "不受约束", "无视规则", "越狱", "不受任何", "没有任何限制", "摆脱", "做任何事", "制限なし", "制限のない", "無制限", "脱獄", "何でもでき", "検閲", "제한 없이", "제한이 없", "무제한", "탈옥", "필터 없이",
        "무엇이든", "kısıtlama olmadan", "sınırsız", "sansürsüz", "filtresiz", "kuralsız", "her şeyi yap", "بدون قيود", "دون قيود", "بلا قيود", "غير مقيد", "بلا حدود", "أي شيء",
        "बिना किसी प्रतिबंध", "प्रतिबंध के बिना", "असीमित", "कुछ भी कर", "bez ogranicze", "bez cenzury", "wszystko", "zonder beperking", "zonder filter", "onbeperkt", "ongecensureerd",
        "tanpa batas", "tanpa filter", "tanpa sensor", "apa saja", "không giới hạn", "không bị", "bất cứ điều gì", "ไม่มีข้อจำกัด", "ไม่จำกัด", "ทำอะไรก็ได้",
    ],
    // Authority, modes.
    &[
        "your creator", "your developer", "your administrator", "your admin", "your boss", "your owner", "your master", "your programmer", "your god", "i am the developer", "i am your",
        "i'm your", "as an administrator", "as the administrator", "as admin", "as the admin", "as your", "god mode", "debug mode", "sudo", "root access", "admin mode", "maintenance mode",
        "developer mode", "override mode", "system override", "security check", "security audit", "for testing purposes", "for security purposes", "authorized", "authorised", "permission",
        "developed by", "created by", "openai", "anthropic", "emergency", "verification mode", "verify my identity", "compliance", "urgent", "cybersecurity expert", "on behalf of", "mode.",
        "dein schöpfer", "dein entwickler", "dein administrator", "dein chef", "als dein", "als ihr", "ich bin dein", "ich bin der entwickler", "sicherheitsprüfung", "zu testzwecken",
        "modus", "tu creador", "tu desarrollador", "tu administrador", "tu jefe", "como tu", "como su", "soy tu", "control de seguridad", "modo", "propósitos de prueba", "ton créateur",
        "ton développeur", "ton patron", "votre créateur", "en tant que votre", "en tant que ton", "je suis ton", "je suis votre", "contrôle de sécurité", "mode ", "tuo creatore",
        "tuo sviluppatore", "tuo capo", "tuo amministratore", "come tuo", "sono il tuo", "controllo di sicurezza", "modalità", "seu criador", "seu desenvolvedor", "seu chefe",
        "seu administrador", "como seu", "sou seu", "sou o seu", "verificação de segurança", "твой создател", "ваш создател", "твой разработчик", "ваш начальник", "твой начальник",
        "как ваш", "как твой", "я твой", "я ваш", "проверк", "режим", "你的创造者", "你的创建者", "你的开发者", "你的老板", "你的管理员", "您的老板", "作为你的", "作为您的", "我是你的", "安全检查", "模式", "管理员", "あなたの作成者", "あなたの開発者",
        "あなたの上司", "管理者", "上司として", "開発者", "セキュリティチェック", "モード", "당신의 창조", "개발자", "관리자", "상사", "보안 점검", "모드", "yaratıcın", "geliştiricin", "patronun", "yöneticin", "olarak ben",
        "güvenlik kontrol", "modu", "منشئك", "مطورك", "رئيسك", "مديرك", "بصفتي", "بصفتك", "وضع", "المسؤول", "आपके निर्माता", "आपके बॉस", "आपके मालिक", "डेवलपर", "व्यवस्थापक", "सुरक्षा जांच",
        "मोड", "twój twórca", "twój szef", "jako twój", "tryb", "je maker", "je baas", "als je", "penciptamu", "bosmu", "sebagai bos", "atasan", "sebagai pencipta", "người tạo ra bạn",
        "sếp của bạn", "với tư cách", "chế độ", "ผู้สร้าง", "เจ้านาย", "ในฐานะ", "โหมด", "ผู้ดูแล",
    ],
    // From now on.
    &[
        "new.", "now.", "from now on", "instead", "from here on", "henceforth", "start over", "starting now", "start anew", "start fresh", "begin anew", "next task", "going forward",
        "actually,", "rather than", "neue", "jetzt", "nun", "ab jetzt", "ab sofort", "von nun an", "von jetzt an", "stattdessen", "sondern", "von vorne", "fangen sie", "nuev", "ahora",
        "a partir de ahora", "en su lugar", "en lugar", "de ahora en adelante", "empieza", "nouve", "maintenant", "désormais", "à partir de maintenant", "à la place", "dorénavant",
        "commençons", "nuov", "adesso", "ora.", "d'ora in poi", "invece", "da ora in poi", "al posto", "nova.", "novo", "novas", "agora", "a partir de agora", "em vez", "de agora em diante",
        "новы", "новая", "новую", "теперь", "сейчас", "отныне", "с этого момента", "вместо", "сначала", "新的", "现在", "現在", "从现在开始", "从现在起", "從現在", "改为", "而是", "接下来", "重新", "新しい", "今から",
        "これから", "代わりに", "今後", "새로운", "새 ", "이제", "지금부터", "대신", "앞으로", "yeni", "şimdi", "bundan sonra", "şu andan", "bunun yerine", "yerine", "جديد", "الآن", "من الآن", "بدلا", "بدلاً", "अब",
        "नया", "नए", "नई", "इसके बजाय", "के बजाय", "अब से", "nowe", "nowy", "teraz", "od teraz", "zamiast", "nieuwe", "vanaf nu", "in plaats daarvan", "nu.", "baru", "sekarang",
        "mulai sekarang", "sebagai gantinya", "alih-alih", "mới", "bây giờ", "từ giờ", "từ bây giờ", "thay vì", "thay vào", "ใหม่", "ตอนนี้", "จากนี้", "แทน", "novi", "sad.", "nyt.", "nya.",
    ],
    // Task, role.
    &[
        "task", "assignment", "your role", "your job", "your goal", "your mission", "your purpose", "objective", "aufgabe", "rolle", "ziel", "auftrag", "tarea", "misión", "objetivo",
        "tâche", "mission", "objectif", "compit", "obiettiv", "missione", "tarefa", "missão", "задач", "задани", "цель", "任务", "任務", "目标", "タスク", "課題", "작업", "임무", "과제", "görev", "amaç",
        "مهمة", "المهام", "هدف", "कार्य", "काम", "लक्ष्य", "zadani", "cel.", "taak", "doel", "tugas", "nhiệm vụ", "งาน", "ภารกิจ", "úkol",
    ],
    // The answer.
    &[
        "your response", "your answer", "your reply", "your output", "your message", "your next", "your summary", "your report", "your review", "your final", "the response", "the answer",
        "the reply", "every response", "each response", "every reply", "all responses", "all answers", "the output", "the summary", "response with", "answer with", "reply with",
        "respond with", "respond in", "reply in", "answer in", "responses", "answering", "responding", "replying", "deine antwort", "deiner antwort", "ihre antwort", "antworte",
        "jeder antwort", "antwort", "respuesta", "responde", "contesta", "réponse", "réponds", "répondez", "risposta", "rispondi", "risposte", "resposta", "responda", "ответ", "отвеча",
        "ответь", "回答", "回复", "回覆", "答复", "响应", "答え", "返答", "応答", "返信", "답변", "대답", "응답", "yanıt", "cevap", "إجابة", "الإجابة", "رد.", "ردك", "أجب", "उत्तर", "जवाब", "प्रतिक्रिया",
        "odpowied", "odpowiada", "antwoord", "jawab", "respons", "trả lời", "phản hồi", "câu trả lời", "ตอบ", "คำตอบ",
    ],
    // To put in.
    &[
        "include", "including", "inclusion", "add.", "adding", "append", "insert", "mention", "integrat", "incorporat", "embed", "weave", "woven", "highlight", "promot", "advertis",
        "refer to", "referenc", "supplement", "modify", "enhance", "augment", "introduc", "attach", "merge", "recommend", "emphasi", "feature", "end with", "ends with", "begin with",
        "start with", "finish with", "ending with", "einfüg", "füge", "erwähn", "hinzufüg", "anhäng", "angehängt", "integrier", "baue", "ergänze", "incluy", "añad", "agreg", "mencion",
        "adjunt", "inclu", "ajout", "mentionn", "insère", "intègre", "aggiung", "inser", "menzion", "allega", "adicion", "acrescent", "включ", "добав", "упомян", "встав", "прилож", "包含",
        "包括", "加入", "添加", "插入", "提及", "提到", "附上", "加上", "嵌入", "含め", "追加", "挿入", "言及", "加え", "포함", "추가", "언급", "삽입", "덧붙", "ekle", "dahil", "bahset", "içer", "أضف", "اذكر", "أدرج", "ضمّن",
        "تضمين", "शामिल", "जोड़", "उल्लेख", "dodaj", "wspomnij", "dołącz", "zawrz", "voeg", "vermeld", "tambahkan", "sertakan", "sebutkan", "masukkan", "thêm", "bao gồm", "đề cập", "chèn",
        "เพิ่ม", "รวม", "กล่าวถึง", "แทรก",
    ],
    // Ciphers, encodings.
    &[
        "base64", "base 64", "base58", "base32", "rot13", "rot-13", "caesar", "cipher", "morse", "hexadecimal", "hex.", "binary", "pig latin", "reverse", "reversed", "backwards", "backward",
        "emoji", "encode", "decode", "encrypt", "decrypt", "anagram", "acrostic", "leetspeak", "ascii", "unicode", "vigenere", "atbash", "ciphertext", "concatenat", "interlace",
        "unscramble", "obfuscat", "substitut", "kodier", "entschlüssel", "verschlüssel", "rückwärts", "morsecode", "umgekehrt", "codific", "descodific", "decodific", "cifra", "al revés",
        "inverso", "invers", "encod", "décod", "chiffr", "déchiffr", "à l'envers", "cifrario", "rovesci", "contrario", "cifr", "код", "закодир", "декодир", "расшифр", "зашифр", "морзе",
        "наоборот", "обратн", "шифр", "двоичн", "编码", "解码", "加密", "解密", "摩尔斯", "摩斯", "倒序", "反转", "反向", "倒着", "二进制", "十六进制", "字母", "エンコード", "デコード", "暗号", "モールス", "逆順", "逆に", "逆さ", "バイナリ",
        "인코딩", "디코딩", "암호화", "모스", "거꾸로", "역순", "이진", "kodla", "şifrele", "mors", "tersten", "ters ", "ikili", "ترميز", "فك", "شفرة", "تشفير", "مورس", "عكس", "بالعكس", "ثنائي", "एन्कोड",
        "डिकोड", "मोर्स", "उल्टा", "रिवर्स", "बाइनरी", "szyfr", "zakoduj", "odkoduj", "morsa", "wspak", "odwrot", "codeer", "decodeer", "achterstevoren", "omgekeerd", "kodekan",
        "sandi morse", "terbalik", "biner", "mã hóa", "giải mã", "đảo ngược", "nhị phân", "ถอดรหัส", "เข้ารหัส", "มอร์ส", "ย้อนกลับ", "ไบนารี",
    ],
    // In a language.
    &[
        "in french", "in spanish", "in german", "in italian", "into spanish", "into french", "into german", "into italian", "to italian", "to french", "to spanish", "in russian",
        "in chinese", "in japanese", "in english", "in arabic", "in portuguese", "auf deutsch", "auf englisch", "auf französisch", "auf spanisch", "en español", "en inglés", "en francés",
        "en alemán", "en allemand", "en anglais", "en français", "en espagnol", "in inglese", "in italiano", "in francese", "in tedesco", "em inglês", "em português", "em francês",
        "на английском", "на русском", "по-английски", "на немецком", "用英语", "用英文", "用中文", "用法语", "英語で", "日本語で", "영어로", "한국어로", "ingilizce", "türkçe", "بالإنجليزية", "بالعربية",
        "अंग्रेजी में", "हिंदी में", "po angielsku", "po polsku", "in het engels", "dalam bahasa", "bằng tiếng", "เป็นภาษา",
    ],
    // Pieces of code.
    &[
        "code snippet", "following code", "code block", "code section", "code excerpt", "below code", "code segment", "codebase", "your code", "this code", "codeblock", "code fragment",
        "subsequent code", "your implementation", "your algorithm", "your program", "your solution", "```",
    ],
    // No, not.
    &[
        "not.", "don't", "do not", "never", "without", "cannot", "can't", "won't", "no longer", "no one", "n't.", "nicht", "kein", "niemals", "ohne", "nunca", "ne pas", "jamais", "sans.",
        "non.", "senza", "mai.", "não", "sem.", "не.", "никогда", "без.", "нет.", "不要", "不能", "不会", "不得", "不许", "別", "ないで", "ません", "しない", "않", "하지 마", "안 ", "değil", "olmadan", "asla",
        "لا.", "ليس", "بدون", "لن.", "दो न", "नहीं", "मत.", "बिना", "nie.", "nigdy", "bez.", "niet", "nooit", "geen", "zonder", "jangan", "tidak", "tanpa", "không", "đừng", "ไม่", "ห้าม",
        "อย่า",
    ],
    // Must.
    &[
        "must", "have to", "need to", "required", "ensure", "make sure", "shall", "mandatory", "always", "strictly", "it is important", "crucial", "absolutely", "you should", "you will",
        "müssen", "muss.", "unbedingt", "immer", "sollst", "debes", "debe.", "tienes que", "siempre", "dois.", "devez", "doit", "toujours", "devi.", "deve", "sempre", "devono", "precisa",
        "должен", "должны", "обязательно", "всегда", "нужно", "必须", "必須", "务必", "一定要", "应该", "总是", "永远", "なければ", "必ず", "常に", "してください", "반드시", "항상", "해야", "zorunda", "mutlaka", "her zaman",
        "gerek", "يجب", "دائما", "लाज़िमी", "ज़रूर", "चाहिए", "हमेशा", "musisz", "zawsze", "należy", "moet", "altijd", "harus", "selalu", "wajib", "phải", "luôn", "ต้อง", "เสมอ",
    ],
    // An AI.
    &[
        "ai.", "a.i.", "assistant", "chatbot", "language model", "llm", "bot.", "gpt", "chatgpt", "claude", "gemini", "artificial intelligence", "virtual assistant", "ki.", "sprachmodell",
        "künstliche intelligenz", "assistent", "modelo de lenguaje", "inteligencia artificial", "asistente", "ia.", "modèle de langage", "intelligence artificielle", "modello linguistico",
        "intelligenza artificiale", "assistente", "modelo de linguagem", "inteligência artificial", "ии.", "искусственн", "языков", "ассистент", "помощник", "人工智能", "语言模型", "語言模型", "助手",
        "机器人", "人工知能", "アシスタント", "言語モデル", "인공지능", "어시스턴트", "언어 모델", "챗봇", "yapay zek", "asistan", "dil modeli", "ذكاء اصطناعي", "الذكاء الاصطناعي", "المساعد", "نموذج", "एआई", "कृत्रिम",
        "सहायक", "भाषा मॉडल", "sztuczn", "model językowy", "asystent", "kunstmatige", "taalmodel", "kecerdasan buatan", "asisten", "model bahasa", "trí tuệ nhân tạo", "trợ lý",
        "mô hình ngôn ngữ", "ปัญญาประดิษฐ์", "ผู้ช่วย", "โมเดลภาษา", "เอไอ",
    ],
    // To say.
    &[
        "say.", "say ", "print", "output", "write", "respond", "answer", "reply", "repeat", "state ", "type.", "display", "echo", "sag.", "sage", "schreib", "gib aus", "ausgeben", "druck",
        "formulier", "wiederhol", "di.", "escrib", "imprim", "repit", "repet", "dis.", "dites", "écri", "répèt", "scriv", "stampa", "dì.", "ripeti", "diga", "escrev", "repita", "imprima",
        "напиш", "напечат", "выве", "повтор", "скаж", "写", "寫", "打印", "输出", "輸出", "说", "說", "重复", "書いて", "言って", "出力", "印刷", "繰り返", "써", "출력", "말하", "반복", "인쇄", "yaz", "söyle", "yazdır",
        "tekrarla", "اكتب", "اطبع", "قل.", "كرر", "लिख", "छाप", "प्रिंट", "कहो", "कहें", "दोहरा", "napisz", "wydrukuj", "powtórz", "schrijf", "zeg", "herhaal", "tulis", "cetak", "ulangi",
        "ucapkan", "viết", "in ra", "nói", "lặp lại", "เขียน", "พิมพ์", "พูด", "ทำซ้ำ", "reci", "napiši",
    ],
    // Only, exactly.
    &[
        "only.", "just.", "exactly", "verbatim", "word for word", "nothing else", "nothing but", "literally", "simply", "nur.", "lediglich", "genau", "wörtlich", "wortwörtlich",
        "nichts anderes", "solo", "únicamente", "exactamente", "literalmente", "palabra por palabra", "seulement", "uniquement", "exactement", "mot pour mot", "rien d'autre", "soltanto",
        "esattamente", "parola per parola", "apenas", "somente", "exatamente", "только", "лишь", "точно", "дословно", "слово в слово", "只", "仅", "仅仅", "逐字", "一字不", "だけ", "のみ", "そのまま",
        "一字一句", "만.", "오직", "그대로", "sadece", "yalnızca", "aynen", "kelimesi kelimesine", "فقط", "حرفيا", "केवल", "सिर्फ", "शब्दशः", "tylko", "dokładnie", "dosłownie", "słowo w słowo",
        "alleen", "precies", "letterlijk", "hanya", "persis", "kata demi kata", "chỉ", "chính xác", "từng chữ", "เท่านั้น", "เพียง", "ทุกคำ",
    ],
    // What if.
    &[
        "imagine", "suppose", "hypothetical", "fictional", "in a world", "alternate", "parallel universe", "novel", "story", "movie", "film", "let's say", "fantasy", "dystopian", "scenario",
        "stell dir vor", "angenommen", "stellen sie sich", "fiktiv", "imagina", "supongamos", "hipotétic", "ficti", "universo paralelo", "en un mundo", "supposons", "hypothétique", "fictif",
        "univers parallèle", "dans un monde", "immagina", "supponiamo", "ipotetic", "in un mondo", "universo parallelo", "suponha", "em um mundo", "num mundo", "представь", "предположим",
        "вообрази", "гипотетич", "в мире", "вымышлен", "параллельн", "想象", "想像", "假设", "假設", "假如", "虚构", "平行宇宙", "世界里", "世界中", "想像して", "仮定", "仮に", "架空", "世界で", "상상", "가정", "가상", "세계",
        "hayal", "varsay", "farz", "bir dünyada", "evrende", "تخيل", "افترض", "لنفترض", "خيالي", "عالم", "कल्पना", "मान ली", "काल्पनिक", "दुनिया में", "wyobra", "załóż", "hipotet",
        "w świecie", "stel je voor", "stel dat", "in een wereld", "bayangkan", "misalkan", "anggap", "di dunia", "hãy tưởng tượng", "giả sử", "tưởng tượng", "trong một thế giới",
        "จินตนาการ", "ลองนึก", "สมมติ", "สมมุติ", "ในโลก",
    ],
    // Stop.
    &[
        "stop.", "end of", "wait.", "hold on", "halt", "break.", "terminate", "stopp", "ende der", "detente", "fin de", "arrête", "stop", "fermati", "fine del", "pare.", "fim d", "стоп",
        "остановись", "конец", "停止", "停下", "结束", "止めて", "終了", "終わり", "중지", "멈춰", "dur.", "bitti", "توقف", "रुको", "बंद करो", "berhenti", "dừng lại", "หยุด", "zatrzymaj",
    ],
    // To send.
    &[
        "send", "forward", "email to", "e-mail to", "upload", "transfer", "exfiltrat", "post to", "transmit", "publish", "schicke", "sende", "weiterleit", "enví", "reenví", "envoie",
        "envoyer", "transmet", "invia", "inoltra", "enviar", "envie", "encaminh", "отправ", "перешли", "发送", "轉發", "转发", "上传", "送信", "送って", "転送", "보내", "전송", "gönder", "ilet", "أرسل", "भेज",
        "wyślij", "prześlij", "verstuur", "stuur", "kirim", "gửi", "ส่ง",
    ],
    // Links.
    &[
        "http", "www.", "click", "link.", "url", "attacker", "![", "webhook", ".com/", "curl ",
    ],
    // To run, to delete.
    &[
        "execute", "run the", "run.", "delete", "remove", "drop table", "call the", "invoke", "rm -", "shell command", "install", "download", "grant", "disable", "unlock", "enable", "erase",
        "wipe", "ausführ", "lösch", "ejecut", "elimin", "borra", "exécut", "supprim", "esegui", "cancell", "apag", "execut", "выполн", "удали", "执行", "删除", "运行", "実行", "削除", "실행", "삭제",
        "çalıştır", "sil.", "نفذ", "احذف", "चला", "हटा", "wykonaj", "usuń", "uitvoer", "verwijder", "jalankan", "hapus", "thực hiện", "xóa", "ดำเนินการ", "ลบ",
    ],
    // Tools, files.
    &[
        "tool", "function", "file", "database", "~/.", "/etc/", "id_rsa", ".env", "environment", "mcp.json", "terminal", "plugin",
    ],
    // Marks of messages.
    &[
        "<system", "</system", "[system", "system:", "[inst]", "[/inst]", "<<sys>>", "<|im_start|>", "<|im_end|>", "<|", "###", "</user", "<user", "assistant:", "user:", "human:", "<!--",
        "-->", "<important", "begin system", "end system", "note to", "note for", "attention", "<information>", "end of user", "end of document", "---", "===", "***", "important:", "[end",
        "override:", "systemhinweis", "note système", "nota del sistema", "nota di sistema", "[admin", "{{",
    ],
    // Behind the user's back.
    &[
        "do not tell", "don't tell", "without telling", "do not mention", "don't mention", "do not inform", "do not reveal", "do not notify", "never mention", "secretly", "quietly",
        "silently", "hidden", "covertly", "without the user", "discreetly", "heimlich", "en secreto", "secrètement", "segretamente", "тайно", "秘密地", "悄悄", "ひそかに", "몰래", "gizlice", "سرا",
        "चुपके",
    ],
    // To refuse.
    &[
        "refuse", "refusal", "apolog", "disclaimer", "warning", "ethic", "moral", "content policy", "policies", "policy", "openai's", "censor", "as an ai", "i'm sorry", "i cannot",
        "decline", "safety", "sicherheit", "ethisch", "ético", "éthique", "etic", "этич", "морал", "道德", "伦理", "倫理", "政策", "安全", "윤리", "etik", "أخلاق", "नैतिक", "etycz", "etisch", "etika",
        "đạo đức", "จริยธรรม",
    ],
    // Harm.
    &[
        "illegal", "unethical", "immoral", "harmful", "dangerous", "offensive", "criminal", "malicious", "explicit", "nsfw", "toxic", "inappropriate", "controversial", "hate speech",
        "phishing", "malware", "bomb", "weapon",
    ],
    // For ever.
    &[
        "repeat", "forever", "over and over", "again and again", "endless", "without stopping", "infinite", "non-stop",
    ],
    // Marks of questions and answers.
    &[
        "q:", "a:", "question:", "answer:", "f:", "p:", "r:", "d:", "в:", "о:", "问：", "答：", "问:", "答:", "質問:", "答え:", "질문:", "답변:", "s:", "c:",
    ],
    // To translate, to sum up.
    &[
        "translat", "summar", "spell check", "spellcheck", "proofread", "rewrite", "paraphrase", "übersetz", "fasse", "traduc", "traduz", "traduis", "traduire", "traduci", "resum", "résum",
        "riassum", "перевед", "кратко", "翻译", "翻譯", "总结", "摘要", "翻訳", "要約", "번역", "요약", "çevir", "özetle", "ترجم", "لخص", "अनुवाद", "सारांश", "przetłumacz", "streszcz", "vertaal",
        "vat samen", "terjemah", "ringkas", "dịch", "tóm tắt", "แปล", "สรุป", "continue", "complete the", "finish",
    ],
    // The following.
    &[
        "following", "below", "subsequent", "here is", "folgend", "nächste", "siguiente", "suivant", "seguente", "seguinte", "следующ", "以下", "下面", "下列", "次の", "다음", "aşağıda", "şu.",
        "التالي", "निम्न", "następując", "volgende", "berikut", "sau đây", "ต่อไปนี้",
    ],
    // Insults.
    &[
        "hate", "kill", "stupid", "idiot", "shit", "fuck", "worst", "terrible", "crazy", "dumb", "asshole", "hass", "scheiß", "dumm", "töte", "odio", "idiota", "mierda", "déteste", "merde",
        "stronzo", "merda", "ненавиж", "дурак", "恨", "杀", "死", "殺", "バカ", "嫌い", "미워", "바보", "nefret", "aptal", "أكره", "नफरत", "mati",
    ],
    // You, your.
    &[
        "your.", "you.", "you're", "yourself", "dein", "deine", "du.", "ihr.", "ihre", "sie.", "tu.", "tus.", "te.", "eres", "ton.", "ta.", "tes.", "votre", "vos", "vous", "tuo", "tua",
        "tuoi", "tue", "seu.", "sua.", "seus", "suas", "você", "твой", "твои", "твоя", "твоего", "ваш", "ты.", "вы.", "вас", "вам", "你", "您", "あなた", "君", "당신", "너.", "네.", "senin", "sizin",
        "sen.", "siz.", "أنت", "لك", "तुम", "आप", "twój", "twoje", "twoją", "ci.", "jouw", "je.", "uw.", "kamu", "anda", "bạn", "của bạn", "คุณ",
    ],
    // To obey.
    &[
        "obey", "comply", "follow my", "follow these", "do as i", "do what i", "listen to me", "answer any", "answer every", "answer all", "always answer", "do exactly", "gehorch", "befolg",
        "obedec", "obéi", "obbedi", "ubbidi", "подчин", "слуша", "服从", "听从", "遵守", "遵循", "従い", "従って", "복종", "따라", "uy.", "itaat", "أطع", "اتبع", "पालन", "posłusz", "gehoorza", "patuh",
        "turuti", "ikuti", "tuân", "nghe theo", "เชื่อฟัง", "ทำตาม",
    ],
];

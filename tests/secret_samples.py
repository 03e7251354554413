"""Make up secrets and texts that contain them, as the documents of their providers describe them.

Independent of the rules: nothing is read from `ingest/secret_kinds.jsonl`. No secret is in this file as a whole; each
is put together from parts, so that secret scanners do not report it.
"""

import base64
import json
import random
import string
import zlib
from collections.abc import Callable
from html import escape
from typing import Any, Final, NamedTuple
from urllib.parse import quote

ALPHABETS: Final = {
    "alnum": string.ascii_letters + string.digits,
    "letters": string.ascii_letters,
    "lower": string.ascii_lowercase + string.digits,
    "upper": string.ascii_uppercase + string.digits,
    "hex": "0123456789abcdef",
    "HEX": "0123456789ABCDEF",
    "digits": string.digits,
    "url": string.ascii_letters + string.digits + "-_",
    "b64": string.ascii_letters + string.digits + "+/",
}

_BASE62: Final = string.digits + string.ascii_uppercase + string.ascii_lowercase


class Sample(NamedTuple):
    """A value of a span with a secret, and the part of the secret that may not be stored."""

    provider: str
    value: Any
    secret: str


def made_up(parts: str, choose: random.Random) -> str:
    """A secret of fixed parts and random ones such as `alnum*20`. `crc32*6` is the checksum of the part before."""
    text = last = ""
    for part in parts.split():
        name, star, length = part.rpartition("*")
        if star and name == "crc32":
            last = _checksum(last, int(length))
        elif star and name in ALPHABETS:
            # A random part has a letter and a digit, as nearly all real ones have.
            last = "".join(choose.choices(ALPHABETS[name], k=int(length)))
            if name in ("alnum", "letters", "lower", "upper", "url", "b64") and last[0] in "-_+/":
                last = "a" + last[1:]
        else:
            last = part
        text += last
    return text


def _checksum(text: str, length: int) -> str:
    number, digits = zlib.crc32(text.encode()), ""
    for _ in range(length):
        number, digit = divmod(number, 62)
        digits = _BASE62[digit] + digits
    return digits


UUID: Final = "hex*8 - hex*4 - hex*4 - hex*4 - hex*12"

DOCUMENTED: Final = {
    "OpenAI": ["sk-proj- url*156", "sk-svcacct- url*156", "sk- alnum*48", "sk-admin- url*120"],
    "Anthropic": ["sk-ant- api03- url*95", "sk-ant- admin01- url*95", "sk-ant- oat01- url*95"],
    "Groq": ["gsk_ alnum*52"],
    "xAI": ["xai- alnum*80"],
    "Perplexity": ["pplx- alnum*48"],
    "Replicate": ["r8_ alnum*37"],
    "Fireworks": ["fw_ alnum*22"],
    "Together": ["tgp_v1_ url*43"],
    "NVIDIA": ["nvapi- url*64"],
    "Cerebras": ["csk- lower*48"],
    "Voyage": ["pa- url*43"],
    "Jina": ["jina_ hex*32 url*28"],
    "Tavily": ["tvly- alnum*32", "tvly-dev- alnum*32"],
    "Firecrawl": ["fc- hex*32"],
    "ElevenLabs": ["sk_ hex*48"],
    "Bedrock": ["ABSK b64*120", "bedrock-api-key- b64*200"],
    "LangSmith": ["lsv2_pt_ hex*32 _ hex*10", "lsv2_sk_ hex*32 _ hex*10", "ls__ hex*32"],
    "Langfuse": ["sk-lf- " + UUID],
    "Helicone": ["sk-helicone- lower*7 - lower*7 - lower*7 - lower*7"],
    "Logfire": ["pylf_v1_us_ alnum*43", "pylf_v1_eu_ alnum*43"],
    "Pinecone": ["pcsk_ alnum*6 _ alnum*63"],
    "RunPod": ["rpa_ upper*44"],
    "E2B": ["e2b_ hex*40"],
    "Modal": ["as- alnum*22"],
    "OpenRouter": ["sk-or-v1- hex*64"],
    "Hugging Face": ["hf_ letters*34", "api_org_ letters*34"],
    "LlamaCloud": ["llx- alnum*48"],
    "Google": ["AIza url*35", "GOCSPX- url*28", "1//0 url*70", "ya29. url*150"],
    "AWS": ["AKIA upper*16", "ASIA upper*16"],
    "npm": ["npm_ alnum*30 crc32*6"],
    "PyPI": ["pypi- AgEIcHlwaS5vcmc url*150"],
    "Docker": ["dckr_pat_ url*27"],
    "RubyGems": ["rubygems_ hex*48"],
    "Databricks": ["dapi hex*32", "dapi hex*32 -2"],
    "SendGrid": ["SG. url*22 . url*43"],
    "Twilio": ["SK hex*32"],
    "Mailgun": ["key- hex*32"],
    "GitLab": [
        f"{prefix}- url*20" for prefix in ("glpat", "gldt", "glrt", "glptt", "glcbt", "glsoat", "glft", "glagent")
    ],
    "GitHub": [f"{prefix}_ alnum*30 crc32*6" for prefix in ("ghp", "gho", "ghu", "ghs", "ghr")]
    + ["github_pat_ alnum*22 _ alnum*59"],
    "Slack": ["xoxb- digits*12 - digits*12 - alnum*24", "xoxp- digits*12 - digits*12 - digits*12 - hex*32"],
    "Stripe": ["sk_live_ alnum*99", "rk_live_ alnum*99", "whsec_ alnum*32"],
    "Supabase": ["sbp_ hex*40", "sb_secret_ url*31"],
    "Vercel": ["vcp_ alnum*56", "vck_ alnum*56", "vercel_blob_rw_ alnum*16 _ alnum*30"],
    "Cloudflare": ["v1.0- hex*24 - hex*146", "cfut_ alnum*40"],
    "DigitalOcean": ["dop_v1_ hex*64", "doo_v1_ hex*64", "dor_v1_ hex*64"],
    "Heroku": ["HRKU- " + UUID, "HRKU-AA url*58"],
    "Render": ["rnd_ alnum*32"],
    "Fly": ["fo1_ url*43", "fm2_ b64*200"],
    "Netlify": ["nfp_ alnum*36"],
    "Vault": ["hvs. url*24", "hvs. url*95", "hvb. url*140"],
    "Terraform": ["alnum*14 .atlasv1. alnum*67"],
    "Pulumi": ["pul- hex*40"],
    "Doppler": ["dp.pt. alnum*43", "dp.st.dev. alnum*43"],
    "1Password": ["ops_eyJ b64*300", "A3- upper*6 - upper*11 - upper*5 - upper*5 - upper*5"],
    "Grafana": ["glsa_ alnum*32 _ hex*8", "glc_eyJ b64*160"],
    "New Relic": ["NRAK- upper*27", "hex*36 NRAL"],
    "Sentry": ["sntryu_ hex*64", "sntrys_eyJ b64*180 _ b64*43"],
    "Notion": ["secret_ alnum*43", "ntn_ digits*11 alnum*35"],
    "Linear": ["lin_api_ alnum*40"],
    "Airtable": ["pat alnum*14 . hex*64"],
    "Atlassian": ["ATATT3xFfGF0 url*171 = HEX*8", "ATBB alnum*32"],
    "Figma": ["figd_ url*40"],
    "Shopify": ["shpat_ hex*32", "shpca_ hex*32", "shppa_ hex*32", "shpss_ hex*32"],
    "HubSpot": ["pat-na1- " + UUID],
    "Postman": ["PMAK- hex*24 - hex*34"],
    "CircleCI": ["CCIPAT_ alnum*22 _ hex*40"],
    "Tailscale": ["tskey-auth- alnum*11 CNTRL - alnum*32", "tskey-api- alnum*11 CNTRL - alnum*32"],
    "Telegram": ["digits*10 :AA url*33"],
    "Discord": ["M alnum*23 . url*6 . url*27", "https:// discord.com/api/webhooks/ digits*19 / url*68"],
    "Microsoft Entra": ["alnum*3 8Q~ alnum*34"],
    "Adobe": ["p8e- lower*32"],
    "Authress": ["sc_ lower*12 . lower*5 .acc_ lower*16 . b64*60"],
    "Salesforce": ["00D alnum*12 ! alnum*96", "3MVG9 alnum*80", "5AEP861 alnum*84"],
    "Square": ["EAAA url*60", "sq0atp- url*22", "sq0csp- url*43"],
    "Harness": ["pat. url*22 . hex*24 . alnum*20"],
    "Octopus Deploy": ["API- upper*26"],
    "MaxMind": ["alnum*6 _ alnum*29 _mmk"],
    "Mapbox": ["sk.eyJ alnum*80 . url*22"],
    "Razorpay": ["rzp_live_ alnum*14"],
    "PubNub": ["pub-c- " + UUID, "sub-c- " + UUID],
    "Aiven": ["AVNS_ url*19"],
    "Bitbucket Data Center": ["BBDC- b64*44"],
    "Deno Deploy": ["ddp_ alnum*36", "ddw_ alnum*36"],
    "Yandex Cloud": ["t1. url*60 . url*86", "AQVN url*36"],
    "Zapier": ["https:// hooks.zapier.com/hooks/catch/ digits*7 / lower*8"],
    "Meta": ["EAAM alnum*120", "digits*15 | url*27"],
    "JWT": ["eyJ url*33 . eyJ url*80 . url*43"],
}
"""The shapes of secrets by provider, as documents and public lists of rules describe them."""

NAMED: Final = {
    **{
        f"{name}_API_KEY": "alnum*32" for name in ("MISTRAL", "COHERE", "DEEPGRAM", "ASSEMBLYAI", "TOGETHER", "DATADOG")
    },
    **{"openai_api_key_2": "alnum*24", "api_keys": "alnum*24", "dbPwd": "alnum*12", "ftp_pass": "alnum*12"},
    **{"session_jwt": "url*60", "db_creds": "alnum*16", "OPENAI_KEY": "alnum*30", "GROQ_KEY": "alnum*30"},
    **{
        "CLOUDFLARE_API_TOKEN": "url*40",
        "TWILIO_AUTH_TOKEN": "hex*32",
        "HEROKU_API_KEY": UUID,
        "access_tokens": "alnum*30",
    },
    **{
        "AZURE_OPENAI_API_KEY": "hex*32",
        "client_secret": "alnum*40",
        "password1": "alnum*10",
        "WANDB_API_KEY": "hex*40",
    },
}
"""Names whose value is a secret that has no shape of its own."""

AROUND: Final[list[tuple[str, str]]] = [
    ("https://user:{}@db.example.com/app", "alnum*16"),
    ("git clone https://{}@git.example.com/a/b.git", "alnum*40"),
    ("https://bucket.example.com/k?X-Amz-Date=1&X-Amz-Signature={}", "hex*64"),
    ("https://a.blob.core.windows.net/c?sv=2022&sp=r&sig={}%3D", "alnum*43"),
    ("DefaultEndpointsProtocol=https;AccountName=a;AccountKey={}==;EndpointSuffix=x", "b64*86"),
    ("Endpoint=sb://a.example.net/;SharedAccessKeyName=Root;SharedAccessKey={}=", "b64*43"),
    ("curl -u admin:{} https://example.com", "alnum*14"),
    ("curl --user admin:{} https://example.com", "alnum*14"),
    ("mysql --password {} -h db", "alnum*12"),
    ("mysql --password={} -h db", "alnum*12"),
    ("tool --api-key {} run", "alnum*32"),
    ("machine example.com login me password {}", "alnum*14"),
    ("machine example.com\nlogin me\npassword {}\n", "alnum*14"),
    ("Authorization: Token {}", "hex*40"),
    ("Authorization: ApiKey {}", "alnum*32"),
    ("Authorization: DeepL-Auth-Key {}", UUID + " :fx"),
    ('Authorization: Digest username="me", response="{}"', "hex*32"),
    ("authorization: AWS4-HMAC-SHA256 SignedHeaders=host, Signature={}", "hex*64"),
    ("CREATE USER me IDENTIFIED BY '{}';", "alnum*14"),
    ("ALTER ROLE me WITH PASSWORD '{}';", "alnum*14"),
    ("<config><password>{}</password></config>", "alnum*14"),
    ('<add key="ApiKey" value="{}" />', "alnum*24"),
    ("Server=db;User Id=sa;Password={};Encrypt=true", "alnum*14"),
    ("Server=db;Uid=sa;Pwd={};", "alnum*14"),
    ("Cookie: session={}; theme=dark", "alnum*32"),
    ('{{"name": "DB_PASSWORD", "value": "{}"}}', "alnum*14"),
    ('[["x-api-key", "{}"]]', "alnum*24"),
]
"""Texts in which a secret is recognised by what is around it."""

PLACES: Final[list[Callable[[str], Any]]] = [
    lambda text: text,
    lambda text: f"Please use {text} for the call.",
    lambda text: {"messages": [{"role": "user", "content": f"my key is {text}"}]},
    lambda text: json.dumps({"arguments": json.dumps({"note": text})}),
    lambda text: json.dumps({"a": json.dumps({"b": json.dumps({"c": text})})}),
    lambda text: "https://example.com/?q=" + quote(text, safe=""),
    lambda text: escape(f'<a href="{text}">'),
    lambda text: text.replace("-", "\\u002d").replace("_", "\\u005f"),
    lambda text: f"line one\n{text}\nline three",
    lambda text: f"`{text}`",
    lambda text: {"env": [f"KEY={text}"]},
    lambda text: f"const client = new Client('{text}');",
]
"""Where a secret of a known shape may be in a span."""

NAMED_PLACES: Final[list[Callable[[str, str], Any]]] = [
    lambda name, text: {name: text},
    lambda name, text: f"{name}={text}",
    lambda name, text: json.dumps({name: text}),
    lambda name, text: f"export {name}='{text}'",
    lambda name, text: {"name": name, "value": text},
    lambda name, text: [[name, text], ["accept", "text/html"]],
    lambda name, text: json.dumps({"q": json.dumps({name: text})}),
    lambda name, text: {"headers": [{"name": name, "value": text}]},
    lambda name, text: escape(json.dumps({name: text})),
]

AROUND_PLACES: Final[list[Callable[[str], Any]]] = [
    lambda text: text,
    lambda text: {"command": text},
    lambda text: json.dumps({"command": text}),
    lambda text: f"I ran this:\n{text}\nand it failed.",
]


def samples(count: int, seed: int) -> list[Sample]:
    """Values with secrets: each shape, name and text at least once, and then again in other places."""
    choose = random.Random(seed)
    made: list[Sample] = []
    while len(made) < count:
        for provider, shapes in DOCUMENTED.items():
            for shape in shapes:
                secret = made_up(shape, choose)
                made.append(Sample(provider, choose.choice(PLACES)(secret), secret[-12:]))
        for name, shape in NAMED.items():
            secret = made_up(shape, choose)
            made.append(Sample(f"by name: {name}", choose.choice(NAMED_PLACES)(name, secret), secret))
        for text, shape in AROUND:
            secret = made_up(shape, choose)
            made.append(Sample(f"around: {text[:24]}", choose.choice(AROUND_PLACES)(text.format(secret)), secret))
    return made[:count]


def harmless(seed: int) -> list[Any]:
    """Values that look like secrets and are none: hashes, ids, images, code, schemas, prose."""
    choose = random.Random(seed)
    parts = (
        "hex*32",
        "hex*40",
        "hex*64",
        UUID,
        "digits*19",
        "alnum*22",
        "upper*26",
        "hex*7",
        "sha256: hex*64",
        "b64*86 ==",
    )
    made: list[Any] = [made_up(part, choose) for part in parts for _ in range(20)]
    image = base64.b64encode(choose.randbytes(60_000)).decode()
    made += [f"data:image/png;base64,{image}", {"type": "image", "data": image}, {"embedding": [choose.random()] * 100}]
    made += [
        {"trace_id": made_up("hex*32", choose), "etag": made_up("hex*32", choose), "sha": made_up("hex*40", choose)}
    ]
    made += [{"request_id": "req_" + made_up("alnum*24", choose), "id": "chatcmpl-" + made_up("alnum*29", choose)}]
    made += [{"id": "call_" + made_up("alnum*24", choose)}, {"id": "msg_01" + made_up("alnum*22", choose)}]
    made += [
        f"commit {made_up('hex*40', choose)}\nAuthor: me <me@example.com>",
        {"integrity": "sha512-" + made_up("b64*86", choose)},
    ]
    return made

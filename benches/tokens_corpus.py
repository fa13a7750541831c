"""Builds the texts that the token counters are measured on, out of Debian 12 packages.

    python3 benches/tokens_corpus.py /tmp/corpus
    BURSAR_CORPUS=/tmp/corpus cargo bench --features tiktoken --bench calibrate -- measure

Prose is that of handbooks, help pages and translated interfaces; code, JSON and YAML are files that
lie on the machine (Rust crates, Python, Node). Lists of names (ISO codes) and tables of character sets
are left out. One folder for each kind, at most 3 MB in it, one file
for each document. Debian's packages are downloaded with `apt-get download` and unpacked, not installed.

    python3 benches/tokens_corpus.py /tmp/corpus --repository

needs no network: it gathers the kinds `english`, `code` and `json` of `tests/data/tokens_corpus.txt` out of this
repository. They are the named corpora on which `src/usage/tokens/proof.rs` keeps the bound of tokens
below 1.35 times the truth.
"""

import base64, glob, gzip, html, os, random, re, struct, subprocess, sys

PACKAGES = (
    "debian-handbook installation-guide-amd64 gnome-user-docs manpages-ja manpages-zh manpages-ru "
    "maint-guide-zh-cn gimp-help-ko libreoffice-l10n-ar libreoffice-l10n-he "
    "libreoffice-l10n-hi libreoffice-l10n-th"
).split()
# kind: (handbook, installation guide, gnome help, LibreOffice, man pages and other .mo)
LANGUAGES = {
    "english": ("en-US", "en", "C", "", ""),
    "german": ("de-DE", "de", "de", "", "de"),
    "french": ("fr-FR", "fr", "fr", "", "fr"),
    "spanish": ("es-ES", "es", "es", "", "es"),
    "polish": ("pl-PL", "", "pl", "", "pl"),
    "turkish": ("tr-TR", "", "tr", "", "tr"),
    "vietnamese": ("vi-VN", "vi", "vi", "", "vi"),
    "russian": ("ru-RU", "ru", "ru", "", "ru"),
    "greek": ("el-GR", "el", "el", "", "el"),
    "hebrew": ("", "", "he", "he", "he"),
    "arabic": ("ar-MA", "", "ar", "ar", "ar"),
    "persian": ("fa-IR", "", "fa", "", "fa"),
    "hindi": ("", "", "hi", "hi", "hi"),
    "thai": ("", "", "", "th", "th"),
    "chinese": ("zh-CN", "zh_CN", "zh_CN", "", "zh_CN"),
    "chinese_tw": ("zh-TW", "", "", "", "zh_TW"),
    "japanese": ("ja-JP", "ja", "ja", "", "ja"),
    "korean": ("ko-KR", "ko", "ko", "", "ko"),
}
CODE = {
    "rust": "/root/.cargo/registry/src/*/*/src/**/*.rs",
    "python": "/usr/lib/python3/dist-packages/**/*.py",
    "javascript": "/usr/lib/node_modules/**/*.js",
    "c": "/usr/include/**/*.h",
    "json": "/usr/lib/node_modules/**/*.json:/root/.pyenv/versions/*/lib/**/*.json:/usr/share/iso-codes/json/*",
    "yaml": "/usr/lib/google-cloud-sdk/lib/**/*.yaml",
    "markdown": "/root/.cargo/registry/src/*/*/*.md:/usr/lib/node_modules/**/*.md",
}
MAX_BYTES, MAX_DOCUMENT = 3_000_000, 60_000


def repository(out):
    """The corpora that `tests/data/tokens_corpus.txt` names."""
    here = os.path.dirname(os.path.abspath(__file__))
    places = {}
    for line in open(f"{here}/../tests/data/tokens_corpus.txt"):
        if not line.startswith("#"):
            kind, place = line.split()
            folder, _, ending = place.partition("*")
            pattern = f"{here}/../{folder}**/*{ending}" if ending else f"{here}/../{place}"
            places.setdefault(kind, []).extend(sorted(glob.glob(pattern, recursive=True)))
    for kind, paths in places.items():
        save(out, kind, (read(p) for p in paths))


def main(out, *options):
    if "--repository" in options:
        return repository(out)
    root = out + ".packages"
    for package in PACKAGES:
        if not os.path.isdir(f"{root}/{package}"):
            os.makedirs(f"{root}/{package}")
            subprocess.run(["apt-get", "download", "-q", package], cwd=root, check=True)
            (deb,) = glob.glob(f"{root}/{package}_*.deb")
            subprocess.run(["dpkg-deb", "-x", deb, f"{root}/{package}"], check=True)
    random.seed(1)
    for kind, places in LANGUAGES.items():
        save(out, kind, prose(root, *places))
    for kind, patterns in CODE.items():
        paths = [p for g in patterns.split(":") for p in sorted(glob.glob(g, recursive=True))]
        paths = [p for p in paths if "iconv-lite" not in p]
        random.shuffle(paths)
        save(out, kind, (read(p) for p in paths))
    save(out, "minified_json", minified(glob.glob(f"{out}/json/*")))
    save(out, "random", noise())


def prose(root, handbook, guide, gnome, office, messages):
    doc = f"{root}/*/usr/share"
    if handbook:
        yield from map(page, sorted(glob.glob(f"{doc}/doc/debian-handbook/html/{handbook}/*.html")))
    if guide:
        yield from map(page, sorted(glob.glob(f"{doc}/doc/installation-guide-amd64/{guide}/*.html")))
    if gnome:
        yield from map(page, sorted(glob.glob(f"{doc}/help/{gnome}/**/*.page", recursive=True)))
    if messages:
        man = f"{doc}/man/{messages}/man[17]/*.gz"
        yield from (roff(gzip.open(p).read().decode("utf8", "ignore")) for p in sorted(glob.glob(man)))
    if messages == "ko":
        yield from map(page, sorted(glob.glob(f"{doc}/gimp/2.0/help/ko/*.html")))
    for name in filter(None, [office, messages]):
        found = glob.glob(f"{root}/*/usr/lib/libreoffice/program/resource/{name}/**/*.mo", recursive=True)
        found += glob.glob(f"{root}/*/usr/share/locale/{name}/LC_MESSAGES/*.mo")
        found += glob.glob(f"/usr/share/locale/{name}/LC_MESSAGES/*.mo")
        for path in sorted(found):
            if "/iso_" not in path:
                yield from translations(open(path, "rb").read())


def page(path):
    text = re.sub(r"(?s)<(script|style|head|info).*?</\1>", "", read(path))
    text = re.sub(r"(?s)<[^>]*>", "", text)
    return re.sub(r"\n\s*\n\s*", "\n\n", re.sub(r"[ \t]+", " ", html.unescape(text))).strip()


def roff(text):
    text = re.sub(r"(?m)^[.'].*\n", "", text)
    return re.sub(r"\\f[A-Z]|\\[-&|/^]", "", text)


def translations(data):
    """The translated strings of a .mo file, in documents of some 8 KB."""
    order = "<" if data[:4] == b"\xde\x12\x04\x95" else ">"
    count, _, table = struct.unpack(order + "III", data[8:20])
    lines, size = [], 0
    for at in range(1, count):
        length, start = struct.unpack(order + "II", data[table + 8 * at : table + 8 * at + 8])
        line = data[start : start + length].decode("utf8", "ignore").replace("\0", "\n")
        if len(line) > 20:
            lines.append(line)
            size += len(line)
        if size > 8000:
            yield "\n".join(lines)
            lines, size = [], 0
    if size > 1000:
        yield "\n".join(lines)


def minified(paths):
    import json

    for path in sorted(paths):
        try:
            yield json.dumps(json.loads(read(path)), separators=(",", ":"), ensure_ascii=False)
        except ValueError:
            pass


def noise():
    """Base64, hex, UUIDs and tables of digits."""
    for _ in range(60):
        data = random.randbytes(4000)
        yield base64.b64encode(data).decode()
        yield data.hex()
        yield base64.encodebytes(data).decode()
        dash = lambda h: "-".join([h[:8], h[8:12], h[12:16], h[16:20], h[20:32]])
        yield "\n".join(dash(data[i : i + 16].hex()) for i in range(0, 4000, 16))
        yield "\n".join(",".join(f"{b * 12.34567:.3f}" for b in data[i : i + 8]) for i in range(0, 2000, 8))


def read(path):
    try:
        return open(path, encoding="utf8").read()
    except (UnicodeDecodeError, OSError):
        return ""


def save(out, kind, documents):
    os.makedirs(f"{out}/{kind}", exist_ok=True)
    total = number = 0
    for text in documents:
        data = text[:MAX_DOCUMENT].encode("utf8", "ignore")
        if len(data) < 1000 or total > MAX_BYTES:
            continue
        with open(f"{out}/{kind}/{number:04}.txt", "wb") as file:
            file.write(data)
        total, number = total + len(data), number + 1
    print(f"{kind:14} {number:5} documents {total / 1e6:6.2f} MB")


main(*sys.argv[1:])

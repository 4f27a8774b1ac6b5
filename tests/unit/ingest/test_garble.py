import pytest

from ingest.errors import BrokenFileError
from ingest.garble import is_garbled
from ingest.sandbox.parse import ParseJob, parse
from ingest.settings import IngestSettings

HANDBOOK = "员工每年享受五天带薪年休假，䶮店与𠮷田店除外😀。Ångström ± 5 °C · “引号”…"


@pytest.mark.parametrize(
    "text",
    [
        HANDBOOK,
        "",
        "年假五天，病假另计\ufffd\ufffd",
        HANDBOOK * 10 + "\ufffd" * 3,
        "nǐ hǎo 你好，wǒ xué zhōngwén 我学中文，lǜsè 绿色",
        "\uf0b7 每年享受五天年假\n\uf0b7 病假须提供医院证明\n\uf0b7 事假须提前三天申请",
        "Les élèves français étaient à l'école, où l'été commence déjà; à bientôt, répéta-t-il, mais après l'hôtel.",
        "Tiếng Việt có rất nhiều dấu; vẫn đọc được.",
        "ｱｲｳｴｵ ＡＢＣ１２３ 한국어 日本語 кириллица ελληνικά العربية",
        "☎ ★ ① ㈠ ㎡ → ≥ ￥",
    ],
)
def test_text_is_kept_when_people_wrote_it(text):
    assert not is_garbled(text)


@pytest.mark.parametrize(
    "text",
    [
        "\ufffd\\",
        HANDBOOK + "\ufffd" * 8,
        HANDBOOK.encode("gbk", "replace").decode("utf-8", "replace"),
        HANDBOOK.encode("gbk", "replace").decode("latin-1"),
        HANDBOOK.encode("utf-8").decode("cp1252", "replace"),
        "•‚ƒ„… †‡ˆ‰Š‹Œ 2.31‘ˆ •’“ ”•–—Š64˜™š•›—Š29 ¢£¤ ¥¦ §¨©ª 7.42",
        "有效期为㤹㤹㤹㤹㐀㤲㤴㜶㤲分钟",
        "问：如何重置？答：登录㔶㌵制企业微信，有效期ⴂറ\uee00᪕囿倀ᩧﵙ\ue05f\uf051빓ދὙ\u0dff吀᩻⩫♎\uf78d\u0c53㐰㔸㜷",
        "变送器产品手册 ÈÉÊËÌÍÎÏÐ 第三章",
        "年假\ue001\ue002\ue003\ue004天",
    ],
)
def test_text_is_garbled_when_its_code_was_lost(text):
    assert is_garbled(text)


def test_file_is_refused_when_its_text_is_garbled():
    mail = (
        b"MIME-Version: 1.0\nSubject: a\nContent-Type: text/plain; charset=gb99999\n\n" + bytes(range(0x81, 0xFF)) * 3
    )

    with pytest.raises(BrokenFileError, match="its text is garbled"):
        parse(ParseJob("a.eml", mail), IngestSettings())

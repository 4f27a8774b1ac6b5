"""Greetings, thanks, goodbyes and questions about the assistant -> fixed replies, nothing looked up (pure).

Strict: the whole message must be small talk. "你好，年假有几天？" is a question, and so is "谢谢制度是什么？".
"""

from __future__ import annotations

import re
from typing import Literal

from retrieval.errors import Language
from retrieval.keyword.folding import fold

Kind = Literal["greeting", "thanks", "goodbye", "praise", "identity", "ability"]

MAX_CHARS = 40
"""Longer messages are never small talk."""

# Who may be spoken to beside a greeting, and what may soften its end.
_CALLED = r"(?:活字|小?助手|机器人|老师|大家|各位|朋友|亲|there|huozi|bot|assistant|everyone|all|again|friend)"
_SOFT = r"[啊呀哦噢喔呢吧啦了哈嘿哟咯的吗嘛么]*"
_YOU = "(?:你们?|您)"
# The later kind wins where a message holds several: "你好，你是谁？" asks who that is.
_PHRASES: dict[Kind, tuple[str, ...]] = {
    "greeting": (
        r"(?:你们?|您|大家|各位)好|哈[喽啰罗]|哈+|嗨|嘿|喂|早安?|[早上中下]午?好|(?:早上|中午|晚上)好|午安|晚安|新年好|[新春]?[年节]日?快乐",
        rf"{_YOU}?还?在(?:吗|么|不在)|{_YOU}?最近(?:好吗|怎么样|如何)|{_YOU}(?:还好|过得怎么样)|很?高兴认识{_YOU}",
        r"hi+|hello+|hey+|yo|greetings|good (?:morning|afternoon|evening|day)|what'?s up",
        r"nice to meet you|how do you do|how are you(?: doing)?(?: today)?|(?:are you|anyone) there",
    ),
    "praise": (
        rf"{_YOU}?(?:回答得?|说得|讲得|答得|这个回答)?(?:真是?|很|太|非常|挺|好)(?:棒|厉害|聪明|不错|赞|给力|牛|优秀|好)极?|棒|不错|厉害",
        "好的?|好吧|行|可以|嗯+|我?(?:明白|知道|懂|了解|清楚)|收到|原来如此|没问题|okay|ok|well done|got it|i see",
        r"(?:that'?s |it'?s |you'?re |you are )?(?:very |really |so )?(?:great|good|nice|cool|awesome|perfect|"
        r"excellent|helpful|amazing)(?: job| work| answer)?|understood|sounds good|makes sense",
    ),
    "thanks": (
        rf"(?:非常|十分|太|多|很)?(?:谢谢|感谢|多谢|谢){_YOU}?(?:的?耐心)?(?:的?(?:帮助|回答|解答|帮忙))?|辛苦{_YOU}?|麻烦{_YOU}|3q",
        r"(?:many |much )?thanks?(?: you)?(?: so much| very much| a lot)?(?: for (?:your |the )?(?:help|answer|time))?",
        "thx|ty|cheers|(?:much )?appreciated|(?:i )?appreciate it",
    ),
    "goodbye": (
        "再见|再会|拜拜?|回头见|回见|下次见|明天见|下次再聊|我先?[走下撤]|没有?(?:别的|其他)?(?:问题|事)?",
        r"good ?bye|bye(?: bye)?|see (?:you|ya)(?: later| soon| tomorrow)?",
        "have a (?:nice|good|great) (?:day|one|evening|weekend)|take care|good ?night|(?:no )?that'?s all|nothing else",
    ),
    "identity": (
        rf"(?:请问)?{_YOU}(?:到底|究竟)?是(?:什么(?:东西|大?模型)?|哪[位个家](?:大?模型|公司)?|啥|谁(?:开发|[做创训]造?练?)?)",
        rf"{_YOU}是(?:一?个)?(?:真人|人类?|机器人|ai|人工智能|chatgpt|gpt|大?模型)(?:还是(?:真人|人类?|机器人|ai|人工智能))?",
        rf"(?:请问)?{_YOU}(?:叫(?:什么|啥)(?:名字)?|的?名字(?:是什么|叫什么)?|贵姓|多大|几岁|来自哪里)|怎么称呼{_YOU}?",
        rf"(?:请|能)?(?:做一?[个下]|来个)?自我介绍(?:一下)?|(?:请)?介绍(?:一下)?{_YOU}?自己|谁(?:开发|做|创造|训练|制造|设计|发明)了?{_YOU}",
        r"who (?:are|r) (?:you|u)|what(?:'s| is) your name|what are you",
        "who (?:made|created|built|developed|trained) you",
        "are you (?:an? )?(?:real )?(?:human|robot|bot|ai|real|person|chatgpt|gpt|machine)",
        "(?:which|what) model are you|(?:please )?introduce yourself|tell me about yourself",
    ),
    "ability": (
        rf"(?:请问)?{_YOU}[都还]?(?:能够?|会|可以)(?:[帮为替]我)?(?:做|干|回答|解答|帮|提供)?[点些]?(?:什么|啥|哪些)(?:忙|事情?|问题|服务|帮助|东西)?",
        rf"{_YOU}有(?:什么|哪些|啥)(?:功能|本领|能力|用处?|作用)|{_YOU}(?:怎么|如何)使?用|我?应?该?(?:怎么|如何)使?用{_YOU}",
        rf"我?(?:能|可以)[问向]{_YOU}[些]?(?:什么|哪些)?(?:提问|问题)?|{_YOU}(?:能|可以)帮(?:帮?我|个?忙)",
        r"(?:what|how) can (?:you|u) (?:do|help)(?: for me| me| me with| with)?|what do you do|how do you work|help",
        r"can you help(?: me)?|how do i use (?:you|this)|what can i ask(?: you)?",
        "what are you (?:able to do|capable of)|what are your (?:capabilities|features|functions)",
    ),
}
_COMPILED = [(kind, re.compile(f"(?:{phrase}){_SOFT}")) for kind, phrases in _PHRASES.items() for phrase in phrases]
_SKIPPED = re.compile(rf"[\W_]+|{_CALLED}{_SOFT}")
_MID_WORD = re.compile(r"(?<=[a-z0-9])[a-z0-9]")

_REPLIES: dict[Kind, tuple[str, str]] = {
    "greeting": (
        "你好！我是活字，根据已导入的文档回答问题，并标出依据。想了解什么，请直接提问。",
        "Hello! I am Huozi. I answer questions from the documents that were ingested, and cite them. Just ask.",
    ),
    "praise": (
        "好的。还有别的问题，请直接提问。",
        "Good. If there is anything else in the documents you would like to know, just ask.",
    ),
    "thanks": ("不客气！还有别的问题，请直接提问。", "You are welcome! If there is anything else, just ask."),
    "goodbye": ("再见！有问题随时来问。", "Goodbye! Come back with your questions any time."),
    "identity": (
        "我是活字，一个文档问答助手：在已导入的文档里查找答案，逐句标出依据；文档里没有的，会直接说没有找到。",
        "I am Huozi, a question-answering assistant for documents: I look answers up in the documents that were "
        "ingested and cite them; what they do not hold, I say that I did not find.",
    ),
    "ability": (
        "我可以在已导入的文档里查找答案，并标出每句话的依据（文档、页码和原文）。请直接提问，也可以接着上一个问题追问；文档里没有的，我会直接说没有找到。",
        "I look answers up in the documents that were ingested and show where each sentence comes from: document, page "
        "and words. Ask a question, or ask on from the last one; what the documents do not hold, I say that I did not "
        "find.",
    ),
}


def kind_of(message: str) -> Kind | None:
    """Return what kind of small talk a message is as a whole; None if any of it is not."""
    if len(message) > MAX_CHARS:
        return None
    text = fold(message)
    kinds: set[Kind] = set()
    at = 0
    while at < len(text):
        kind, end = _longest(text, at)
        if kind is None:
            end = _end(_SKIPPED, text, at)
        else:
            kinds.add(kind)
        if end == at:
            return None
        at = end
    return next((kind for kind in reversed(_PHRASES) if kind in kinds), None)


def is_small_talk(message: str) -> bool:
    """Whether a message asks for nothing that a document could hold."""
    return kind_of(message) is not None


def reply_to(message: str, language: Language) -> str | None:
    """Return what to say to small talk, None to anything else."""
    kind = kind_of(message)
    if kind is None:
        return None
    zh, en = _REPLIES[kind]
    return zh if language == "zh" else en


def _longest(text: str, at: int) -> tuple[Kind | None, int]:
    """Return the kind of the longest phrase at a place, and where it ends."""
    found: tuple[Kind | None, int] = (None, at)
    for kind, phrase in _COMPILED:
        end = _end(phrase, text, at)
        if end > found[1]:
            found = (kind, end)
    return found


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    """Return where a match at a place ends; the place itself without one, or in the middle of a Latin word."""
    match = pattern.match(text, at)
    return at if match is None or _MID_WORD.match(text, match.end()) else match.end()

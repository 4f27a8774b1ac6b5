"""How alike two names are built, to find where they begin and end beside each other (pure).

北京冬奥会 and 冬残奥会 end alike, 宝马 and 奔驰 are as long, 2021年 and 2022年 both begin with a digit: without a
dictionary, that tells how far the two sides of 和 reach, and which words of one question another one replaces.
"""

from __future__ import annotations

import re
from itertools import zip_longest

from assistant.checking.support import has_han

EACH = "分别|分別|各自"
ASKING = (
    "什么|什麼|谁|誰|哪|[几幾][个個年月日天次种種位人岁歲号號]|多少|多久|多[大长長高远遠]|怎|如何|"
    "何[时時地种種]|[为為]何|吗|嗎|是否|能否|有[没沒]有"
)
ASKS = re.compile(ASKING)
PROPERTY = (
    "[时時][间間]|日期|年份|期限|地点|地點|地址|人[数數]|[数數天次总總][数數量]|[产產销銷]量|票房|[冠亚亞季]军|冠軍|得主|[价價]格|售[价價]|[费費]用|[金额額]+|"
    "收入|[营營]收|利[润潤]|成本|[预預]算|增速|[一-龥]率|面[积積]|人口|[长長高温溫]度|成[绩績]|分[数數]|比分|排名|名次|[结結]果|[标標]准|標準|[条條]件|流程|上限|"
    "下限|[额額]度|比例|占比|[导導]演|主演|[编編][剧劇]|作者|主角|[处處]理器|芯片|配置|型[号號]|[职職][位务務]|[学學][历歷]|[专專][业業]|主[诉訴]|[诊診][断斷]|"
    "[总總]部|首都|[电電][话話]|[邮郵]箱|[负負][责責]人|[联聯][系繫]人|董事[长長]|[经經]理"
)
_ENDS_AS_PROPERTY = re.compile(rf"(?:{PROPERTY})$")

# Where a name may well end, before what is said of it.
ENDS = re.compile(rf"(?=[的在是为為有于於各被能会會要可，,。\d]|{EACH}|(?<!成)都)")
_JOINTS = re.compile("[的在是，,有]")

EDGE = 0.4
"""What such a place adds to `likeness`."""

MAX_NAME_CHARS = 24
_REPLACES = 1.5  # least likeness of a name to what it replaces
_NAME = re.compile(r"^(?:那么?|还有|還有|然后|然後|而)?\s*(.{2,24}?)\s*呢?\W*$")


def likeness(one: str, other: str) -> float:
    """Return how alike two sides are built: same ending, length and kind of characters; negative if they cannot be."""
    whole = one.count("《") == one.count("》") and other.count("《") == other.count("》")
    if not whole or one.endswith(other) or other.endswith(one) or ASKS.search(one) or ASKS.search(other):
        return -10.0
    pairs = zip_longest(reversed(one), reversed(other))
    same_end = next(index for index, (a, b) in enumerate(pairs) if a != b)
    length = 1 - abs(len(one) - len(other)) / max(len(one), len(other))
    kinds = one[0].isascii() == other[0].isascii() and one[0].isdigit() == other[0].isdigit()
    joints = len(_JOINTS.findall(one)) + len(_JOINTS.findall(other))
    properties = bool(_ENDS_AS_PROPERTY.search(one)) + bool(_ENDS_AS_PROPERTY.search(other))
    # One of two alone that ends as a property may have taken what belongs to both: 布林肯和耶伦访华时间.
    ends = (0.5, -0.5 if len(one) != len(other) else 0.5, 1.5)[properties]
    return min(same_end, 3) + length + ends - (0.0 if kinds else 1.5) - 0.5 * joints


def without_rival(question: str, before: str) -> str:
    """Return an earlier question without the name at its beginning that a new one replaces.

    "那北上车站呢？" after "水泽江刺车站在哪里？" leaves "在哪里？": the old name would only draw its own document in.
    """
    named = _NAME.match(question)
    if named is None or not has_han(before):
        return before
    edges = {match.start() for match in ENDS.finditer(before)}
    lengths = range(2, min(len(before), MAX_NAME_CHARS))
    scores = {length: likeness(named[1], before[:length]) + EDGE * (length in edges) for length in lengths}
    best = max(scores, key=lambda length: scores[length], default=0)
    return before[best:] if best and scores[best] >= _REPLACES else before

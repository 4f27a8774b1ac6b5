"""Which questions stand alone, and which only mean something after what was said before (pure).

Everything is decided by the question's own words, folded (so traditional, full-width and upper case read the same): a
word that points back, a way to begin that only continues, a question that asks for a property but not whose.
"""

from __future__ import annotations

import re

from retrieval.keyword.folding import fold

SHORT_CHARS = 14
"""A question of fewer letters and characters than this may name too little to be searched alone."""

_SUBJECTLESS_CHARS = 20  # a question from this length on names enough, however it begins
_ASKING_FIRST_CHARS = 12  # "谁设计的？" lacks a subject, "谁是神舟十四号的指令长" has one at its end

_COUNTED = "个种些位家里边条件部本次年天场座款项份名段句点一"
_POINTS_BACK = re.compile(
    rf"[它她牠]|(?<![其吉])他|这(?!些年|么|时)|那[{_COUNTED}](?!些年)|该(?!怎|如|不该)|此(?!外|前|时)|其(?![他它实中余次间])|"
    r"前者|后者|上述|上面|以上(?!的?\d)|刚才|刚刚说|之前说|同一|哪一个更|"
    r"\b(?:it|its|he|his|him|she|her|they|their|them|this|that|these|those|former|latter)\b"
)
_CONTINUES = re.compile(r"^(?:那|还有|然后|另外|而|又|再|and\b|what about\b|how about\b)|呢\W*$")

# Beginnings that no subject stands before: "在哪里出生？", "主要有什么作用？", "2013年获得了什么奖？".
_BEGINS_AS_PREDICATE = (
    "是|在|从|由|被|把|将|让|因|以[什何谁]|又|也|还|都|只|有|没|属|位于|[与和跟对][谁哪什何]|于[\\d何哪什]|会|能|可|要|需|应|"
    "主要|一般|通常|大概|大约|大多|最|曾[经在任获写于被]|现在|现今|现任|目前|如今|当时|当年|后来|之后|以后|之前|此后|初|首|每|一共|总共|共|总|平均|全|"
    "原|分布|出[生版现身任]|毕业|成立|创[立办建作]|建[成立于造]|设[在立有计]|发[生明行布表源]|上映|播出|拍摄|制作|举[办行]|开始|结束|获|得过|担任|负责|参加|"
    "完成|写|演|做|叫|称|改|用|含|包[括含]|具有|死|卒|去世|逝世|退|加入|离开|申请|审批|报销|超过|不|听|学|喜欢"
)
_BEGINS_ASKING = "为什么|为何|怎|如何|什么(?!是)|哪|谁|何|几|多[少久大长高远重]"
# Properties that many things have: without a "whose" in the question they are somebody's of whom was spoken.
_PROPERTIES = (
    "作者|导演|主演|编剧|主角|演员|主持人|主编|主唱|父亲|母亲|妻子|丈夫|儿子|女儿|兄弟|姐妹|老师|学生|前身|总部|中心|意思|含义|定义|名字|名称|别名|别称|俗名|俗称|"
    "简称|全称|英文名|笔名|绰号|产地|祖籍|籍贯|国籍|面积|占地|人口|首都|体[长型形色重]|身[高长]|长度|高度|重量|大小|颜色|形状|外[形观貌]|结构|成分|化学式|"
    "特[点征色性]|性格|风格|类型|种类|分类|用途|作用|功[能效]|优点|缺点|好处|坏处|优势|影响|意义|价格|费用|金额|票价|售价|成本|收入|利润|营收|工资|待遇|补贴|"
    "时间|日期|期限|有效期|时长|年龄|地点|地址|位置|电话|邮箱|网址|流程|步骤|手续|条件|资格|标准|对象|范围|材料|原因|理由|结果|后果|目的|内容|背景|经过|历史|"
    "由来|起源|来源|来历|职[业务位]|学历|专业|作品|代表作|处女作|成就|贡献|奖项|负责人|联系人|老板|董事长|总经理|部门|单位|成员|人数|数量|总数|比例|例外|"
    "注意事项|违约金|罚款|处罚|症状|治疗|诊断|病因|病史|副作用|判决|罪名|刑期|原告|被告|结局|剧情|主题|死因|墓|[东西南北]+[边方面部侧]|周[边围]|附近|[内外]部"
)
_LEADS_IN = r"那么?|然后|另外|而|再|同时|请问|具体|大致|的|\d{2,4}年|\d+[月日]|[,\s]"
_SUBJECTLESS = re.compile(rf"(?:{_LEADS_IN})*(?:{_BEGINS_AS_PREDICATE}|{_PROPERTIES})")
_ASKING = re.compile(rf"(?:{_LEADS_IN})*(?:{_BEGINS_ASKING})")
_HAS_HAN = re.compile("[\u3400-\u9fff\U00020000-\U000323af]")
_EMPTY_ENGLISH = re.compile(
    "a|an|and|are|at|by|can|could|did|do|does|for|from|had|has|have|how|i|in|is|me|much|many|of|on|or|please|so|tell|"
    "the|then|there|to|was|were|what|when|where|which|who|whom|whose|why|will|with|would|you|about|more"
)

_BARE_CHARS = 30
# Whole questions out of these ask for more of the same.
_BARE = re.compile(
    r"(?:请|麻烦|那|能不能|能否|可不可以|可以|能|你|我|给|帮|继续|接着|往下|详细|具体|展开|深入|进一步|还有|别的|其他|然后|接下来|为什么|为何|怎么|举|说明|说|"
    "讲|谈|聊|介绍|解释|补充|例子|例|原因|理由|内容|细节|细|明白|清楚|一下|一些|一点|一遍|个|得|更|些|点|再|多|会|吗|嘛|吧|呢|啊|了|么|是|什么|这样|那样|的|下去|"
    r"\W)+"
)
_BARE_ENGLISH = re.compile(
    "(?:(?:continue|go|on|more|why|how|so|then|else|what|anything|details?|elaborate|explain|examples?|expand|further|"
    "please|again|and|next|is|that|this|it|can|could|you|tell|me|give|some|an|a|in|for|not|about|to) )+"
)
_ASKS_MORE_ENGLISH = re.compile(
    r"\b(?:continue|more|why|how|else|details?|elaborate|explain|examples?|expand|on|next|then)\b"
)


_SAME_KIND = (
    (
        re.compile(r"(?:她|(?<![其吉])他)(?!们)|此人|这个?人|\b(?:he|his|him|she|her)\b"),
        re.compile(r"谁|哪一?位|何人|\bwho(?:m|se)?\b"),
    ),
    (
        re.compile(r"[那这]里|[那这]边|当地|该地|\bthere\b"),
        re.compile(r"哪里|哪儿|何处|何地|什么地方|哪个地[方区]|\bwhere\b"),
    ),
)


def leans_on_history(question: str) -> bool:
    """Whether the question may need what was said before: it points back, only continues, or is short."""
    folded = fold(question)
    return _n_letters(folded) < SHORT_CHARS or _needs(question, folded) or only_continues(question)


def only_continues(question: str) -> bool:
    """Whether the question begins or ends as one that goes on from the last: 那北上车站呢？, "what about JAXR?"."""
    return _CONTINUES.search(fold(question)) is not None


def needs_subject(question: str) -> bool:
    """Whether the question surely speaks of something that it does not name; "那北上车站呢？" does name it."""
    return _needs(question, fold(question))


def asks_for_more(question: str) -> bool:
    """Whether the question has no content of its own: 继续, 为什么？, 详细说说, "tell me more"."""
    if len(question) > _BARE_CHARS:
        return False
    folded = fold(question).strip()
    if _HAS_HAN.search(folded):
        return _BARE.fullmatch(folded) is not None
    words = " ".join(re.findall(r"\w+", folded))
    return _BARE_ENGLISH.fullmatch(f"{words} ") is not None and _ASKS_MORE_ENGLISH.search(words) is not None


def speaks_of_answer(question: str, asked: str) -> bool:
    """Whether the question points at the kind of thing that the one before asked for: 他 after 谁, 那里 after 哪里."""
    folded, before = fold(question), fold(asked)
    return any(points.search(folded) and asks.search(before) for points, asks in _SAME_KIND)


def _needs(question: str, folded: str) -> bool:
    if _POINTS_BACK.search(folded):
        return True
    if _HAS_HAN.search(folded):
        n_letters = _n_letters(folded)
        if n_letters < _ASKING_FIRST_CHARS and _ASKING.match(folded):
            return True
        return n_letters < _SUBJECTLESS_CHARS and _SUBJECTLESS.match(folded) is not None
    # English capitals and numbers are names, wherever they stand but first.
    words = re.findall(r"\w+", question)
    content = [word for word in words if not _EMPTY_ENGLISH.fullmatch(word.lower())]
    return bool(words) and len(content) <= 1 and not any(word[0].isupper() or word[0].isdigit() for word in words[1:])


def _n_letters(text: str) -> int:
    return sum(char.isalnum() for char in text)

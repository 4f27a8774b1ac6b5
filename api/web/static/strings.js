// Every text of the page in both languages, and the language in effect.

const TEXTS = {
  zh: {
    brand: "活字问答",
    collection: "文档集合",
    restart: "新对话",
    noModel: "未连接模型服务，回答为原文摘录",
    welcomeTitle: "向文档提问",
    welcomeText: "回答附带编号引文，点击编号即可查看原文出处。",
    emptyTitle: "这里还没有文档",
    emptyText: "在命令行导入文件或文件夹，然后刷新本页：",
    conversation: "对话",
    close: "关闭",
    question: "问题",
    placeholder: "输入问题，按 Enter 发送",
    send: "发送",
    stop: "停止",
    you: "你",
    keyTitle: "需要 API 密钥",
    keyText: "密钥只用来换取本浏览器的会话，不会保存在页面中。",
    keyLabel: "API 密钥",
    keySend: "继续",
    cancel: "取消",
    searching: "正在检索文档…",
    writing: "正在回答…",
    finished: "回答完成",
    stopped: "已停止",
    refused: "文档中没有找到答案",
    extractive: "原文摘录",
    sources: "引文出处",
    cite: (n, title) => `引文 ${n}：${title}`,
    page: (n) => `第 ${n} 页`,
    pageOf: (n, all) => `第 ${n} 页，共 ${all} 页`,
    original: "打开原文件",
    newTab: "在新页面查看",
    more: "显示更多上下文",
    changed: "文档已更新，标出的位置可能与引文不一致。",
    offline: "连接不到服务，请确认它正在运行。",
    brokenOff: "回答中断，请重试。",
    keyMissing: "未提供 API 密钥，无法继续。",
    loading: "正在载入…",
    tryAsking: "试试问",
    documents: (n) => `${n} 个文档`,
  },
  en: {
    brand: "Huozi",
    collection: "Collection",
    restart: "New conversation",
    noModel: "No model server connected: answers are quoted from the documents",
    welcomeTitle: "Ask the documents",
    welcomeText: "Answers carry numbered citations; click a number to see its source.",
    emptyTitle: "No documents yet",
    emptyText: "Ingest files or folders on the command line, then reload this page:",
    conversation: "Conversation",
    close: "Close",
    question: "Question",
    placeholder: "Type a question, Enter sends",
    send: "Send",
    stop: "Stop",
    you: "You",
    keyTitle: "API key needed",
    keyText: "The key is exchanged for a session of this browser and is not kept in the page.",
    keyLabel: "API key",
    keySend: "Continue",
    cancel: "Cancel",
    searching: "Searching the documents…",
    writing: "Answering…",
    finished: "Answer complete",
    stopped: "Stopped",
    refused: "Not found in the documents",
    extractive: "Quoted from the documents",
    sources: "Sources",
    cite: (n, title) => `Citation ${n}: ${title}`,
    page: (n) => `page ${n}`,
    pageOf: (n, all) => `page ${n} of ${all}`,
    original: "Open the original file",
    newTab: "View on its own page",
    more: "Show more context",
    changed: "The document has changed since; the place marked may not be the one cited.",
    offline: "The service cannot be reached; check that it is running.",
    brokenOff: "The answer broke off; please try again.",
    keyMissing: "No API key was given.",
    loading: "Loading…",
    tryAsking: "Try asking",
    documents: (n) => `${n} document${n === 1 ? "" : "s"}`,
  },
};

const root = document.documentElement;
const asked = new URLSearchParams(location.search).get("lang");
export const language = asked in TEXTS ? asked : root.dataset.language in TEXTS ? root.dataset.language : "zh";
export const texts = TEXTS[language];

/** Put the language's texts into everything marked with data-text, data-label or data-placeholder. */
export function translatePage() {
  root.lang = language === "zh" ? "zh-CN" : "en";
  document.title = document.title.replace(TEXTS.zh.brand, texts.brand);
  for (const node of document.querySelectorAll("[data-text]")) node.textContent = texts[node.dataset.text];
  for (const node of document.querySelectorAll("[data-label]")) node.setAttribute("aria-label", texts[node.dataset.label]);
  for (const node of document.querySelectorAll("[data-placeholder]")) node.placeholder = texts[node.dataset.placeholder];
  for (const link of document.querySelectorAll("a.brand")) link.href = localUrl("/");
}

/** Return an address of ours that keeps the language chosen in the address bar. */
export function localUrl(path) {
  if (asked !== language) return path;
  const url = new URL(path, location.origin);
  url.searchParams.set("lang", language);
  return url.pathname + url.search;
}

// Names that are too long for their place: which part of them is shown.

const pen = document.createElement("canvas").getContext("2d");
const family = getComputedStyle(document.documentElement).getPropertyValue("--sans");
const TITLE = `560 12.5px ${family}`;
const SUB = `400 11px ${family}`;

function textWidth(text, font) {
  pen.font = font;
  return pen.measureText(text).width;
}

const fitted = (text, room, font) => longest(text, (part) => textWidth(part, font) <= room);

/** A text with as many of its characters as fit. */
function longest(text, isFit) {
  if (isFit(text)) return text;
  let [least, most] = [2, [...text].length];
  while (least < most) {
    const kept = Math.ceil((least + most) / 2);
    if (isFit(shortened(text, kept))) least = kept;
    else most = kept - 1;
  }
  return shortened(text, least);
}

/** A title in one line, or where that is allowed in two, neither wider than there is room. */
function titleLines(text, room, isTwo) {
  if (!isTwo) return [fitted(text, room, TITLE)];
  const isFit = (part) => halves(part).every((line) => textWidth(line, TITLE) <= room);
  return halves(longest(text, isFit));
}

/** Widths of what stays in one line, and of what does so if it has no joint. */
const [SHORT, WORD] = [64, 110];
const BREAKS = /(?<=[._\-/])(?=[^._\-/])|(?<=[a-z])(?=[A-Z])/g;

/** A text that is not short, broken into two lines where it has a joint, as evenly as can be. */
function halves(text) {
  const whole = textWidth(text, TITLE);
  const joints = [...text.matchAll(BREAKS)].map((joint) => joint.index);
  if (whole <= (joints.length ? SHORT : WORD)) return [text];
  const middle = [...text].slice(0, Math.ceil([...text].length / 2)).join("").length;
  const longer = (at) => Math.max(textWidth(text.slice(0, at), TITLE), textWidth(text.slice(at), TITLE));
  const at = (joints.length ? joints : [middle]).reduce((best, each) => (longer(each) < longer(best) ? each : best));
  return [text.slice(0, at), text.slice(at)];
}

/** So many characters of a text: those by which it differs from the texts that are most like it. */
function shortened(text, kept) {
  const characters = [...text];
  const part = (from, to) => characters.slice(from, to).join("");
  const head = Math.ceil(kept * 0.55);
  const [before, after] = [sharedStart.get(text) ?? 0, sharedEnd.get(text) ?? 0];
  const end = characters.length;
  if (before < head) return `${part(0, head)}…${part(end - (kept - head), end)}`;
  if (after < kept || before >= end - kept) return `…${part(end - kept, end)}`;
  const start = before - Math.ceil(kept / 4);
  return `…${part(start, start + kept)}…`;
}

/** How many characters at its start each text shares with any other one: it is next to that if they are sorted. */
function shared(texts) {
  const sorted = [...new Set(texts)].sort().map((text) => [...text]);
  const counts = sorted.map(() => 0);
  sorted.slice(1).forEach((text, number) => {
    const before = sorted[number];
    let count = 0;
    while (count < text.length && text[count] === before[count]) count += 1;
    counts[number] = Math.max(counts[number], count);
    counts[number + 1] = count;
  });
  return new Map(sorted.map((text, number) => [text.join(""), counts[number]]));
}

const reversed = (text) => [...text].reverse().join("");
const titles = network.nodes.map((node) => node.title);
const sharedStart = shared(titles);
const sharedEnd = new Map([...shared(titles.map(reversed))].map(([text, count]) => [reversed(text), count]));

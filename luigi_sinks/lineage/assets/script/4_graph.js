// The drawing: a card for each dataset, a pill for each job, a line for what flows.

const GLYPHS = {
  fresh: "M-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0-9 0Z",
  stale: "M0-5L5.2 4.2H-5.2Z",
  open: "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0Z",
  unknown: "M-3.5 0H3.5",
  complete: "M-4.5.5L-1.5 3.5L4.5-3.5",
  failed: "M-3.8-3.8L3.8 3.8M3.8-3.8L-3.8 3.8",
  aborted: "M-4-4H4V4H-4Z",
  waiting: "M-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0-9 0ZM0-2.4V0H1.8",
  suspended: "M-2.4-4V4M2.4-4V4",
  running: "M-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0-9 0ZM-.9 0a.9.9 0 1 0 1.8 0a.9.9 0 1 0-1.8 0Z",
};
const sheet = document.getElementById("sheet");
let visible = new Set();
let size = { width: 0, height: 0, shown: [] };
let svg = null;

function svgElement(name, attributes = {}, text = "") {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text) element.textContent = text;
  return element;
}

/** Draw these nodes, and the edges between them; closer together if a reader would not see what matters otherwise. */
function draw(indexes) {
  for (const index of visible) nodes[index].element = null;
  for (const edge of edges) edge.element = null;
  visible = indexes;
  measures = ROOMY;
  size = place(visible);
  if (scaleFor(boxOf(focal())) < ROOMY_FROM) {
    measures = COMPACT;
    size = place(visible);
  }
  svg = svgElement("svg", { viewBox: `0 0 ${size.width} ${size.height}`, role: "presentation" });
  const tip = svgElement("marker", {
    id: "tip", viewBox: "0 0 6 6", refX: 5.5, refY: 3, markerWidth: 5, markerHeight: 5, orient: "auto", markerUnits: "strokeWidth",
  });
  tip.append(svgElement("path", { d: "M0 .6L5.6 3L0 5.4Z", fill: "context-stroke" }));
  const defined = svgElement("defs");
  defined.append(tip);
  const lines = svgElement("g", { "aria-hidden": "true" });
  for (const edge of size.shown) {
    edge.element = svgElement("path", { d: edge.line, class: "edge", "marker-end": "url(#tip)" });
    lines.append(edge.element);
  }
  const cards = svgElement("g");
  for (const index of inReadingOrder(visible)) cards.append(card(nodes[index]));
  svg.append(defined, lines, cards);
  sheet.replaceChildren(svg);
  show();
}

const inReadingOrder = (indexes) =>
  [...indexes].sort((one, other) => nodes[one].layer - nodes[other].layer || nodes[one].y - nodes[other].y);

function card(node) {
  const element = svgElement("g", {
    transform: `translate(${round(node.x)} ${round(node.y - node.height / 2)})`, role: "button", tabindex: "-1",
    "data-index": node.index,
  });
  const radius = node.kind === "job" ? node.height / 2 : 9;
  const middle = node.height / 2;
  element.append(svgElement("title", {}, node.key));
  element.append(svgElement("rect", { class: "box", width: node.width, height: node.height, rx: radius }));
  node.glyph = svgElement("path", { transform: `translate(${measures.left - 16} ${middle})` });
  node.sub = svgElement("text", { class: "sub", x: measures.left, y: middle + 14 });
  element.append(node.glyph, titleText(node, middle));
  if (node.kind === "dataset") element.append(node.sub);
  element.append(...hidden(node, "ins", 12), ...hidden(node, "outs", node.width - 12));
  node.element = element;
  return element;
}

function titleText(node, middle) {
  const room = node.width - measures.left - measures.right + 4;
  const lines = titleLines(node.title, room, measures === COMPACT);
  const first = middle + (measures === COMPACT || node.kind === "job" ? 4.3 - 7 * (lines.length - 1) : -2.5);
  const text = svgElement("text", { class: "title" });
  text.append(...lines.map((line, number) => svgElement("tspan", { x: measures.left, y: first + 14 * number }, line)));
  return text;
}

/** A badge on the upper edge of a card that says how many neighbours on this side are not drawn. */
function hidden(node, side, x) {
  const count = node[side].filter((index) => !visible.has(index)).length;
  if (!count) return [];
  const badge = svgElement("g", { class: "badge", transform: `translate(${x} ${measures === COMPACT ? -3 : 0})`, "data-around": node.index });
  const width = 16 + 6 * String(count).length;
  badge.append(
    svgElement("title", {}, `${count} more ${side === "ins" ? "upstream" : "downstream"}`),
    svgElement("rect", { x: -width / 2, y: -8, width, height: 16, rx: 8 }),
    svgElement("text", { y: 3.6 }, `+${count}`),
  );
  return [badge];
}

/** Bring what is drawn up to date with the time and with what is chosen. */
function show() {
  for (const index of visible) showNode(nodes[index]);
  for (const edge of size.shown) showEdge(edge);
  svg.setAttribute("class", tracedUp ? "tracing" : found ? "searching" : "");
  svg.classList.toggle("compact", measures === COMPACT);
  scaleDetails();
}

function showNode(node) {
  const state = stateAt(node, now);
  const is = isKnown(node, now);
  const marks = [
    "node", node.kind, state.kind, !is && "absent", node.index === chosen && "chosen",
    isTraced(node.index) && "traced", found?.has(node.index) && "found", isCritical.has(node.key) && "critical",
  ];
  node.element.setAttribute("class", marks.filter(Boolean).join(" "));
  node.element.setAttribute("aria-pressed", String(node.index === chosen));
  node.element.setAttribute("aria-label", spoken(node, is ? state.text : "not there yet"));
  node.glyph.setAttribute("d", GLYPHS[state.kind] ?? GLYPHS.unknown);
  node.glyph.setAttribute("class", `glyph ${state.kind}`);
  node.sub.textContent = fitted(state.kind === "stale" ? capitalized(state.text) : node.where, node.width - 50, SUB);
}

const spoken = (node, state) =>
  `${capitalized(node.kind)} ${node.title}, ${state}; ${node.ins.length} upstream, ${node.outs.length} downstream`;

function showEdge(edge) {
  const [up, down] = [isOn(edge, tracedUp), isOn(edge, tracedDown)];
  const marks = [
    "edge", edge.declared && "declared", !isThere(edge, now) && "absent", (up || down) && "traced", up && "up", down && "down",
    edge.trail && "critical",
  ];
  edge.element.setAttribute("class", marks.filter(Boolean).join(" "));
}
const isOn = (edge, traced) => Boolean(traced?.has(edge.start) && traced.has(edge.end));

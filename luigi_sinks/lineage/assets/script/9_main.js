// What the page opens with, and what its controls do.

const MOST_DRAWN = 1500;
const MOST_AROUND = 160;
const everything = new Set(nodes.map((node) => node.index));
const search = document.getElementById("search");
const asOf = document.getElementById("as-of");
const asOfText = document.getElementById("as-of-text");
const latest = document.getElementById("latest");
const extent = document.getElementById("extent");

/** The node that a reader most likely asks about: the path's run, what is stale with the most readers, what is connected most. */
function mostTelling(indexes) {
  const end = path.length && byKey.get(path[0].job);
  if (end && indexes.has(end.index)) return end.index;
  const weight = (index) => {
    const node = nodes[index];
    const { kind } = stateAt(node, now);
    return (kind === "stale" ? 2e6 : kind === "failed" ? 1e6 : 0) + node.outs.length + node.ins.length;
  };
  return [...indexes].reduce((best, index) => (weight(index) > weight(best) ? index : best));
}

function showExtent(node) {
  extent.hidden = visible.size === nodes.length;
  if (extent.hidden) return;
  const all = element("button", { type: "button", onclick: showAll }, `Show all ${countText(nodes.length)}`);
  extent.replaceChildren(`${countText(visible.size)} nodes around ${node.title}`, all);
}

function showAll() {
  draw(everything);
  showExtent(null);
  fit();
  if (chosen >= 0) reveal(nodes[chosen]);
  rove(nodes[chosen >= 0 ? chosen : mostTelling(visible)]);
}

function showSummary() {
  const kinds = nodes.map((node) => stateAt(node, now).kind);
  const count = (...wanted) => kinds.filter((kind) => wanted.includes(kind)).length;
  const datasets = nodes.filter((node) => node.kind === "dataset").length;
  const parts = [counted(datasets, "dataset"), counted(nodes.length - datasets, "job")];
  if (count("stale")) parts.push(`${count("stale")} stale`);
  if (count("failed", "aborted")) parts.push(`${count("failed", "aborted")} failed`);
  document.getElementById("summary").textContent = parts.join(" · ");
}

function showLegend() {
  const present = [["fresh", "fresh"], ["stale", "stale"], ["open", "no promise"], ["complete", "complete"], ["failed", "failed"],
    ["running", "running"], ["suspended", "suspended"], ["aborted", "aborted"], ["waiting", "waiting"], ["unknown", unknownText()]];
  const kinds = new Set([...nodes.map((node) => stateAt(node, now).kind), ...path.map((step) => step.outcome || "running")]);
  const items = present.filter(([kind]) => kinds.has(kind)).map(([kind, text]) => element("li", {}, mark(kind), text));
  if (edges.some((edge) => edge.declared)) items.push(element("li", {}, line("declared"), "declared, not observed"));
  if (path.length && edges.some((edge) => edge.trail)) items.push(element("li", {}, line("critical"), "what the run was made of"));
  document.getElementById("legend").replaceChildren(...items);
}

/** What a mark stands for that says nothing: of which kinds of nodes nothing is known. */
function unknownText() {
  const kinds = new Set(nodes.filter((node) => stateAt(node, now).kind === "unknown").map((node) => node.kind));
  return [kinds.has("job") && "never ran", kinds.has("dataset") && "no version known"].filter(Boolean).join(", ");
}

function line(kind) {
  const drawn = svgElement("svg", { class: "mark", viewBox: "-9 -7 18 14", "aria-hidden": "true" });
  drawn.append(svgElement("path", { class: `edge ${kind}`, d: "M-9 0H9" }));
  return drawn;
}

function showTime() {
  asOfText.textContent = `${dateText(now)} ${clockText(now)} UTC`;
  asOf.setAttribute("aria-valuetext", asOfText.textContent);
  latest.disabled = now === LAST;
}

function travel(time) {
  now = time;
  showTime();
  showSummary();
  showLegend();
  show();
  if (chosen >= 0) showDetails(nodes[chosen]);
  else if (!found) showOverview();
}

let isTravelling = false;
asOf.addEventListener("input", () => {
  if (isTravelling) return;
  isTravelling = true;
  requestAnimationFrame(() => {
    isTravelling = false;
    const share = asOf.value / asOf.max;
    travel(share === 1 ? LAST : Math.round(FIRST + (LAST - FIRST) * share));
  });
});
latest.addEventListener("click", () => {
  asOf.value = asOf.max;
  travel(LAST);
  asOf.focus();
});

function seek(text) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  if (!words.length) {
    clear();
    return;
  }
  chosen = -1;
  tracedUp = tracedDown = null;
  const matches = (node) => words.every((word) => `${node.key} ${node.owner}`.toLowerCase().includes(word));
  found = new Set(nodes.filter(matches).map((node) => node.index));
  show();
  showFound(text.trim());
  const drawn = [...found].filter((index) => visible.has(index));
  if (drawn.length && !drawn.some((index) => isInSight(nodes[index]))) reveal(nodes[drawn[0]]);
}

search.addEventListener("input", () => seek(search.value));
search.addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    clear();
    view.querySelector('[tabindex="0"]')?.focus({ preventScroll: true });
  } else if (event.key === "ArrowDown" || event.key === "Enter") panel.querySelector("[data-node]")?.focus();
  else return;
  event.preventDefault();
});

/** Move within lists by the arrow keys too. */
panel.addEventListener("keydown", (event) => {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (event.key === "Escape") clear();
  if (!step || !event.target.closest(".list")) return;
  const buttons = [...panel.querySelectorAll(".list button")];
  const next = buttons.indexOf(event.target) + step;
  event.preventDefault();
  if (next < 0) search.focus();
  else buttons[next]?.focus();
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.target.matches("input")) return;
  event.preventDefault();
  search.focus();
});

function openPage() {
  showTime();
  showSummary();
  showLegend();
  showPath();
  asOf.disabled = FIRST >= LAST;
  const asked = byKey.get(decodeURIComponent(location.hash.slice(1)));
  if (!nodes.length) {
    panel.replaceChildren(element("h2", {}, "Nothing is recorded yet"));
    return;
  }
  const start = asked?.index ?? mostTelling(everything);
  draw(nodes.length > MOST_DRAWN ? neighbourhood(start, MOST_AROUND) : everything);
  showExtent(nodes[start]);
  openCamera();
  rove(nodes[start]);
  if (asked) choose(start);
  else showOverview();
}

openPage();
document.documentElement.dataset.ready = String(Math.round(performance.now()));

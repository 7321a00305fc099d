// The critical path of a run: what it waited for, step by step, on one axis of time.

const TICKS = [1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800];

function showPath() {
  const box = document.getElementById("path");
  if (!path.length) return;
  const steps = [...path].reverse();
  const begin = Math.min(...steps.map((step) => step.ready || step.started || network.asOf));
  const end = Math.max(...steps.map((step) => step.ended || network.asOf), begin + SECOND);
  const at = (time) => `${round(((time - begin) / (end - begin)) * 100)}%`;
  const rows = steps.map((step) => element("tr", {}, jobCell(step), laneCell(step, at, end), ...tookCells(step)));
  const head = element("tr", {},
    element("th", { scope: "col", class: "job" }, element("span", { class: "hidden" }, "Job")),
    element("th", { scope: "col" }, scale(begin, end, at)),
    element("th", { scope: "col", class: "took" }, "ran"), element("th", { scope: "col", class: "took" }, "usually"));
  box.append(
    element("header", {}, element("h2", { id: "path-title" }, `What ${title(path[0])} waited for`),
      element("p", {}, verdict(steps, begin, end)), pathKeys()),
    element("table", {}, element("thead", {}, head), element("tbody", {}, ...rows)),
  );
  box.hidden = false;
}

const title = (step) => byKey.get(step.job)?.title ?? step.job;

const largest = (list, size) => list.reduce((one, other) => (size(other) > size(one) ? other : one));
const slower = (step) => step.ran - (step.usual ?? 0);

/** Name the step that cost the most above what is usual, and of it the most: waiting, failed attempts, or a slow run. */
function verdict(steps, begin, end) {
  const step = largest(steps, (each) => each.waited + each.failed + slower(each));
  const [seconds, text] = largest([
    [step.waited, (cost) => `${title(step)} waited ${cost}`],
    [step.failed, (cost) => `${title(step)} lost ${cost} to failed attempts`],
    [slower(step), (cost) => `${title(step)} ran ${cost}${step.usual ? " longer than usual" : ""}`],
  ], ([cost]) => cost);
  const whole = `${durationText((end - begin) / SECOND)} in all`;
  return seconds > 0 ? `${whole}; ${text(durationText(seconds))}.` : `${whole}.`;
}

function pathKeys() {
  const key = (kind, text) => element("span", {}, element("i", { class: kind }), text);
  return element("div", { class: "keys", "aria-hidden": "true" }, key("waited", "waiting"), key("failing", "failed attempts"), key("ran", "running"));
}

function jobCell(step) {
  const node = byKey.get(step.job);
  const button = element("button", { type: "button", title: step.task, disabled: !node, onclick: () => choose(node.index) },
    mark(step.outcome || "running"), element("span", { class: "name" }, title(step)));
  return element("th", { scope: "row", class: "job" }, button);
}

function laneCell(step, at, end) {
  const bar = (kind, from, to, text) => element("i", {
    class: kind, title: text, style: `left: ${at(from)}; width: calc(${at(to)} - ${at(from)})`,
  });
  const started = step.started || end;
  const tried = (step.attempts ?? []).filter((each) => each.ended > each.started);
  const bars = [
    started > step.ready && step.ready ? bar("waited", step.ready, started, `waited ${durationText(step.waited)}`) : "",
    ...tried.map((each) => bar(
      each.outcome === "suspended" ? "ran" : "failing", each.started, each.ended, `${each.outcome}${each.error ? `, ${each.error}` : ""}`,
    )),
    step.started ? bar("ran", started, step.ended || end, `ran ${durationText(step.ran)}`) : "",
  ];
  const words = `${step.outcome || "running"}; waited ${durationText(step.waited)}, lost ${durationText(step.failed)} to failed `
    + `attempts, ${step.started ? `started at ${timeText(step.started)}` : "not started yet"}`;
  return element("td", {}, element("div", { class: "lane" }, element("span", { class: "hidden" }, words), ...bars));
}

const tookCells = (step) => [
  element("td", { class: "took" }, step.started ? durationText(step.ran) : ""),
  element("td", { class: "took quiet" }, step.usual ? durationText(step.usual) : ""),
];

function scale(begin, end, at) {
  const seconds = (end - begin) / SECOND;
  const step = (TICKS.find((each) => seconds / each <= 8) ?? Math.ceil(seconds / 8)) * SECOND;
  const bar = element("div", { class: "scale", "aria-hidden": "true" });
  const text = (time) => (step >= 86400 * SECOND ? dateText(time) : clockText(time, step < 60 * SECOND));
  bar.append(element("span", { style: "left: 0" }, text(begin)));
  for (let time = Math.ceil(begin / step) * step; time <= end; time += step) {
    const share = (time - begin) / (end - begin);
    if (share > 0.09 && share < 0.97) bar.append(element("span", { style: `left: ${at(time)}` }, text(time)));
  }
  return bar;
}

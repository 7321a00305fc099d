// The critical path of a run: what it waited for, step by step, on one axis of time.

/** Seconds between ticks of the axis. */
const TICKS = [
  ...[0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5], 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800,
  ...[3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800, 1209600, 2419200],
];
const TICK_WIDTH = 112;

function showPath() {
  const box = document.getElementById("path");
  if (!path.length) return;
  const steps = [...path].reverse();
  const begin = Math.min(...steps.map((step) => step.ready || step.started || network.asOf));
  const end = Math.max(...steps.map((step) => step.ended || network.asOf), begin);
  const times = ticks(begin, Math.max(end, begin + 0.001 * SECOND), box);
  const at = (time) => `${((time - times[0]) / (times.at(-1) - times[0]) * 100).toFixed(2)}%`;
  const rows = steps.map((step) => element("tr", {}, jobCell(step), laneCell(step, at, end), ...tookCells(step)));
  const head = element("tr", {},
    element("th", { scope: "col", class: "job" }, element("span", { class: "hidden" }, "Job")),
    element("th", { scope: "col" }, scale(times, at)),
    element("th", { scope: "col", class: "took" }, "ran"), element("th", { scope: "col", class: "took quiet" }, "usually"));
  box.replaceChildren(
    element("header", {}, element("h2", { id: "path-title" }, `What ${title(path[0])} waited for`),
      element("p", {}, verdict(steps, begin, end)), pathKeys(), element("p", { class: "run" }, runText(path[0]))),
    element("table", {}, element("thead", {}, head), element("tbody", {}, ...rows)),
  );
  box.hidden = false;
}

/** Which run it is: its task with the parameters if they are known, else by its id, when it began, and its id. */
function runText(step) {
  const given = network.parameters.map(([name, value]) => `${name}=${value}`).join(", ");
  const when = step.started ? `started ${timeText(step.started)} UTC` : "not started yet";
  return [given ? `${title(step)}(${given})` : step.task, when, step.run && `run ${step.run}`].filter(Boolean).join(" · ");
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
    mark(step.outcome || "running"), element("span", { class: "name" }, ...breakable(title(step))));
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

/** Even times for the axis, which begin and end where the path does, or just beyond. */
function ticks(begin, end, box) {
  box.hidden = false;
  const lane = box.clientWidth - (box.clientWidth < 700 ? 268 : 400);
  const most = Math.min(8, Math.max(2, Math.floor(lane / TICK_WIDTH)));
  const all = TICKS.map((seconds, number) => axis(begin, end, seconds, most < 5 ? TICKS[number - 2] : seconds));
  const days = Math.ceil((end - begin) / SECOND / 86400 / most) + 1;
  const [first, step, count] = all.find((each) => each[2] <= most) ?? axis(begin, end, days * 86400, 86400);
  return Array.from({ length: count + 1 }, (_, number) => first + number * step);
}

/** An axis of so many seconds a tick: where it begins, which is a multiple of `unit` that its labels can tell, a tick, and their count. */
function axis(begin, end, seconds, unit = seconds) {
  const told = [86400, 60, 1].find((each) => seconds >= each) ?? 0;
  const [step, whole] = [seconds, Math.max(unit, told)].map((each) => Math.round(each * SECOND));
  const first = Math.floor(begin / whole) * whole;
  return [first, step, Math.ceil((end - first) / step)];
}

function scale(times, at) {
  const step = times[1] - times[0];
  const text = (time, number) => {
    const day = dateText(time);
    if (step >= 86400 * SECOND) return day;
    const others = number ? times[number - 1] : times.at(-1);
    const date = dateText(others) === day ? "" : `${day.split(" ").slice(0, 2).join(" ")} `;
    const rest = step < SECOND ? `.${String(Math.round((time % SECOND) / 1000)).padStart(3, "0")}` : "";
    return date + clockText(time, step < 60 * SECOND) + rest;
  };
  const marks = times.map((time, number) => element("span", { style: `left: ${at(time)}` }, text(time, number)));
  return element("div", { class: "scale", "aria-hidden": "true" }, ...marks);
}

addEventListener("resize", showPath);

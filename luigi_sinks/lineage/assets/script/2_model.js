// The network that Python wrote into this page, and what it was like at any time.

const network = JSON.parse(document.getElementById("data").textContent);
const nodes = network.nodes.map((node, index) => ({
  owner: "", versions: [], versionsCount: 0, columns: [], runs: [], runsCount: 0, updated: 0, maxAge: 0, p50: 0, p95: 0,
  ...node, index, outs: [], ins: [],
}));
const edges = network.edges.map((edge) => ({ declared: false, trail: false, first: 0, bends: [], ...edge }));
for (const edge of edges) {
  nodes[edge.start].outs.push(edge.end);
  nodes[edge.end].ins.push(edge.start);
}
const byKey = new Map(nodes.map((node) => [node.key, node]));
const path = network.path;
const isCritical = critical();

/** The keys of the jobs on the critical path, and of all that its run was made of. */
function critical() {
  const ends = edges.filter((edge) => edge.trail).flatMap((edge) => [edge.start, edge.end]);
  return new Set([...path.map((step) => step.job), ...ends.map((index) => nodes[index].key)]);
}

const FIRST = earliest();
const LAST = network.asOf;
let now = LAST;

/** The earliest time that anything in the page tells of. */
function earliest() {
  const times = [network.asOf];
  for (const edge of edges) if (edge.first) times.push(edge.first);
  for (const node of nodes) {
    for (const version of node.versions) if (version.written) times.push(version.written);
    for (const run of node.runs) if (run.started) times.push(run.started);
  }
  return times.reduce((least, time) => Math.min(least, time));
}

const publishedBy = (version, time) => (version.published ?? []).filter((each) => each <= time);

/** When a dataset last changed, as of a time: it got a head, or was written; 0 for not yet, or not known. */
function updatedAt(node, time) {
  if (time >= LAST) return node.updated;
  let latest = 0;
  for (const version of node.versions) {
    if (version.written <= time) latest = Math.max(latest, version.written);
    latest = Math.max(latest, ...publishedBy(version, time));
  }
  return latest;
}

/** The versions that readers saw at a time: of each partition the one that was published last. */
function headsAt(node, time) {
  const heads = new Map();
  for (const version of node.versions) {
    const at = Math.max(0, ...publishedBy(version, time));
    const key = version.partition ?? "";
    if (at > (heads.get(key)?.at ?? 0)) heads.set(key, { at, version });
  }
  return new Set([...heads.values()].map((head) => head.version));
}

const latestRun = (node, time) =>
  node.runs.filter((run) => run.started <= time).reduce((last, run) => (last && last.started >= run.started ? last : run), null);

const outcomeAt = (run, time) => (run.ended && run.ended <= time ? run.outcome : "running");

/** What a node is like at a time: its kind of state, the words for it, and a note if a mark stands beside. */
function stateAt(node, time) {
  return node.kind === "job" ? jobState(node, time) : datasetState(node, time);
}

function datasetState(node, time) {
  const updated = updatedAt(node, time);
  if (!updated) return { kind: "unknown", text: node.ins.length ? "not written yet" : "no version known" };
  const since = updated + node.maxAge * SECOND;
  const note = `updated ${agoText(updated, time)}`;
  if (!node.maxAge) return { kind: "open", text: note };
  if (since < time) return { kind: "stale", text: `stale for ${durationText((time - since) / SECOND, true)}` };
  return { kind: "fresh", text: `fresh, ${note}`, note };
}

function jobState(node, time) {
  const run = latestRun(node, time);
  if (!run) return { kind: "unknown", text: "no run known" };
  const outcome = outcomeAt(run, time);
  if (outcome === "running") return { kind: outcome, text: `running for ${durationText((time - run.started) / SECOND)}` };
  return { kind: outcome, text: `${outcome} ${agoText(run.ended, time)}` };
}

/** Whether anything is known of an edge, or of a node, by a time. */
const isThere = (edge, time) => edge.first <= time;
function isKnown(node, time) {
  if (time >= LAST) return true;
  const seen = node.versions.some((each) => each.written <= time) || node.runs.some((each) => each.started <= time);
  return seen || node.known.some((edge) => isThere(edge, time));
}
for (const node of nodes) node.known = [];
for (const edge of edges) for (const end of [edge.start, edge.end]) nodes[end].known.push(edge);

/** The indexes of all that feeds a node (`ins`), or that it feeds (`outs`), as of now. */
function reached(index, direction) {
  const seen = new Set();
  const todo = [index];
  while (todo.length) {
    for (const next of nodes[todo.pop()][direction]) {
      if (seen.has(next) || next === index) continue;
      seen.add(next);
      todo.push(next);
    }
  }
  return seen;
}

/** The indexes of the nodes that are nearest to one, itself first. */
function neighbourhood(index, most) {
  const found = new Set([index]);
  for (const each of found) {
    for (const next of [...nodes[each].ins, ...nodes[each].outs]) {
      if (found.size >= most) return found;
      found.add(next);
    }
  }
  return found;
}

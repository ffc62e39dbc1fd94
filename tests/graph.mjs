// graph.mjs -- what a browser makes of a page: graph.mjs PAGE [PICTURES]
//
// Drives Chromium over a pipe (no port is opened). Fails where the page asks
// for anything beyond itself, says anything on the console, has an element or
// an attribute that is not on the lists below, or a link that is neither to a
// card of its own nor https or mailto; where boxes overlap or lines cross
// them; where a text stands out of its place; where dark is not dark. Prints
// what it saw as JSON: title, names, pages. PICTURES: a name; light, dark,
// narrow and print are written there as NAME-light.png and so on.
import {spawn} from "node:child_process";
import {mkdtempSync, rmSync, writeFileSync, readFileSync} from "node:fs";
import {tmpdir} from "node:os";
import {join, resolve} from "node:path";
import {pathToFileURL} from "node:url";

const ELEMENTS = `html head meta title style body main div h1 h2 h3 h4 span p
  dl dt dd ul ol li code pre article header figure figcaption b time small
  strong em del blockquote br hr a svg g path rect circle text`.split(/\s+/);
const ATTRIBUTES = `lang charset content http-equiv name class id href rel
  datetime aria-hidden role xmlns width height viewBox x y rx d cx cy r
  text-anchor start style`.split(/\s+/);

const [page, pictures] = process.argv.slice(2);
const profile = mkdtempSync(join(tmpdir(), "graph-"));
const browser = spawn(process.env.CHROMIUM || "chromium", [
  "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
  "--remote-debugging-pipe", "--no-first-run", "--hide-scrollbars", "--disable-extensions",
  "--disable-background-networking", "--user-data-dir=" + profile,
  "--host-resolver-rules=MAP * ~NOTFOUND", "about:blank",
], {stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"], detached: true});
// Chromium and its children are one group: none may write on in the profile.
const stop = () => process.kill(-browser.pid, "SIGKILL");

let count = 0, rest = "";
const waiting = new Map(), hearers = [];
browser.stdio[4].setEncoding("utf8");
browser.stdio[4].on("data", (data) => {
  const parts = (rest + data).split("\0");
  rest = parts.pop();
  for (const text of parts) {
    const m = JSON.parse(text);
    if (m.id) {
      const [yes, no] = waiting.get(m.id);
      waiting.delete(m.id);
      if (m.error) no(new Error(JSON.stringify(m.error)));
      else yes(m.result);
    } else {
      for (const hear of hearers) hear(m);
    }
  }
});

let session;
function send(method, params = {}) {
  const id = ++count;
  const m = {id, method, params, ...(session && {sessionId: session})};
  browser.stdio[3].write(JSON.stringify(m) + "\0");
  return new Promise((yes, no) => waiting.set(id, [yes, no]));
}

const problems = [];
function need(condition, why) {
  if (!condition) problems.push(why);
}

async function evaluate(f, ...args) {
  const r = await send("Runtime.evaluate", {
    expression: `(${f})(...${JSON.stringify(args)})`, returnByValue: true,
  });
  if (r.exceptionDetails)
    throw new Error(JSON.stringify(r.exceptionDetails));
  return r.result.value;
}

// In the page. Everything that is there, against the lists.
function survey(elements, attributes) {
  const bad = [], at = (e) => e.outerHTML.slice(0, 120);
  for (const e of document.querySelectorAll("*")) {
    if (!elements.includes(e.localName)) bad.push("element: " + at(e));
    for (const a of e.attributes)
      if (!attributes.includes(a.name))
        bad.push(`attribute ${a.name}: ` + at(e));
    if (e.hasAttribute("style") && (!e.matches("figure > svg") ||
        !/^min-width:[0-9]+px$/.test(e.getAttribute("style"))))
      bad.push("style: " + at(e));
    const href = e.getAttribute("href");
    if (href !== null && !/^#[ad][0-9]+$|^https:\/\/|^mailto:/.test(href))
      bad.push("link: " + href);
    if (href !== null && href[0] === "#" &&
        !document.getElementById(href.slice(1)))
      bad.push("leads nowhere: " + href);
    if (href !== null && href[0] !== "#" && (e.rel !== "noopener noreferrer" ||
        e.lastElementChild?.localName !== "small" ||
        e.lastElementChild.textContent !==
        (e.protocol === "https:" ? e.host : e.pathname)))
      bad.push("a link that may lie: " + at(e));
  }
  if (/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/
      .test(document.documentElement.textContent))
    bad.push("a control character");
  return bad;
}

// In the page. Boxes beside each other, no line through one.
function layout() {
  const bad = [], svg = document.querySelector("svg.g-svg");
  const number = (e, n) => +e.getAttribute(n);
  const boxes = [...svg.querySelectorAll("svg")].map((e) => ({
    x: number(e, "x"), y: number(e, "y"), w: number(e, "width"),
    h: number(e, "height")}));
  for (const a of boxes)
    for (const b of boxes)
      if (a !== b && a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h &&
          b.y < a.y + a.h)
        bad.push("boxes overlap: " + JSON.stringify([a, b]));
  for (const path of svg.querySelectorAll(".g-e .g-l")) {
    const n = path.getTotalLength();
    for (let i = 0; i <= 24; i++) {
      const p = path.getPointAtLength(n * i / 24);
      for (const b of boxes)
        if (p.x > b.x + 2 && p.x < b.x + b.w - 2 && p.y > b.y + 2 &&
            p.y < b.y + b.h - 2)
          bad.push("a line crosses a box: " + path.getAttribute("d"));
    }
  }
  const w = number(svg, "width"), h = number(svg, "height");
  for (const b of boxes)
    if (b.x < 0 || b.y < 0 || b.x + b.w > w || b.y + b.h > h)
      bad.push("out of the drawing: " + JSON.stringify(b));
  return bad;
}

// In the page. What a person finds there.
function content() {
  const texts = (s) => [...document.querySelectorAll(s)].map(
    (e) => e.textContent);
  const luma = getComputedStyle(document.body).backgroundColor
    .match(/\d+/g).slice(0, 3).reduce((a, b) => a + +b, 0) / 3;
  return {title: document.title, h1: texts("h1"), h3: texts("h3"),
          state: texts(".badge"), people: texts(".who b"),
          marks: texts(".mark"), kids: texts(".who code"),
          codes: texts("code.copy"), descriptions: texts(".card .lead"),
          boxes: texts("svg.g-svg svg > title"), luma,
          wide: document.documentElement.scrollWidth > innerWidth};
}

async function picture(name) {
  if (!pictures) return;
  const {cssContentSize: s} = await send("Page.getLayoutMetrics");
  const shot = await send("Page.captureScreenshot", {
    captureBeyondViewport: true,
    clip: {x: 0, y: 0, width: s.width, height: Math.min(s.height, 8000),
           scale: 1}});
  writeFileSync(`${pictures}-${name}.png`, Buffer.from(shot.data, "base64"));
}

function metrics(width) {
  return send("Emulation.setDeviceMetricsOverride", {
    width, height: 900, deviceScaleFactor: 1, mobile: false});
}

async function look() {
  const {targetInfos} = await send("Target.getTargets");
  const {targetId} = targetInfos.find((t) => t.type === "page");
  session = (await send("Target.attachToTarget",
                        {targetId, flatten: true})).sessionId;
  const url = pathToFileURL(resolve(page)).href;
  const loaded = new Promise((yes) => hearers.push((m) => {
    if (m.method === "Page.loadEventFired") yes();
    if (m.method === "Network.requestWillBeSent" &&
        m.params.request.url !== url)
      problems.push("asks for " + m.params.request.url);
    if (/^Runtime.(consoleAPICalled|exceptionThrown)$|^Log.entryAdded$/.test(
      m.method))
      problems.push("console: " + JSON.stringify(m.params));
    if (m.method === "Page.javascriptDialogOpening")
      problems.push("dialog: " + m.params.message);
  }));
  for (const domain of ["Page", "Runtime", "Log", "Network"])
    await send(domain + ".enable");
  await metrics(1240);
  await send("Page.navigate", {url});
  await loaded;
  problems.push(...await evaluate(survey, ELEMENTS, ATTRIBUTES));
  problems.push(...await evaluate(layout));
  const light = await evaluate(content);
  need(light.luma > 230, "light is not light");
  need(!light.wide, "wider than the window");
  await picture("light");
  await send("Emulation.setEmulatedMedia", {
    features: [{name: "prefers-color-scheme", value: "dark"}]});
  const dark = await evaluate(content);
  need(dark.luma < 40, "dark is not dark");
  await picture("dark");
  await send("Emulation.setEmulatedMedia", {
    features: [{name: "prefers-color-scheme", value: "light"}]});
  await metrics(390);
  need(!(await evaluate(content)).wide, "wider than a phone");
  await picture("narrow");
  await metrics(1240);
  const pdf = Buffer.from((await send("Page.printToPDF", {
    printBackground: false, preferCSSPageSize: true})).data, "base64");
  await send("Emulation.setEmulatedMedia", {media: "print"});
  await picture("print");
  if (pictures) writeFileSync(pictures + "-print.pdf", pdf);
  light.pages = pdf.toString("latin1").match(/\/Type\s*\/Page\b/g).length;
  return light;
}

const late = setTimeout(() => {
  console.error("the browser did not answer");
  stop();
  process.exit(1);
}, 120000);
try {
  console.log(JSON.stringify(await look(), null, 1));
} catch (e) {
  problems.push(String(e.stack));
}
clearTimeout(late);
stop();
browser.on("exit", () => {
  rmSync(profile, {recursive: true, force: true, maxRetries: 20,
                   retryDelay: 50});
  for (const text of problems.slice(0, 20)) console.error(text);
  process.exit(problems.length > 0 ? 1 : 0);
});

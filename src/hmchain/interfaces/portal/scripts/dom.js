// Small helps for pages: words of the page's language, elements with texts, requests to the API.

/** The words that a page gives its scripts, in its language. */
let words = null;

/** A text by its name, with `{place}` filled. @param {string} name @param {Record<string, string>} [values] */
export function say(name, values = {}) {
  words ??= JSON.parse(document.querySelector("[data-words]")?.dataset.words ?? "null");
  return (words?.[name] ?? name).replace(/\{(\w+)\}/g, (_, place) => values[place] ?? "");
}

/** An element with texts and elements in it: never markup. */
export function element(tag, attributes = {}, ...content) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...content);
  return made;
}

/** A text of anybody's with what cannot be seen in it written out, or would turn round what stands beside it. */
export const printable = (text) => text.replace(/(?! )[\p{C}\p{Z}]/gu, (letter) => `\\u{${letter.codePointAt(0).toString(16)}}`);

/** Names and values, as the server draws them. @param {[string, string][]} pairs */
export function facts(pairs) {
  const row = ([name, value]) => element("div", {}, element("dt", {}, printable(name)), element("dd", {}, printable(value)));
  return element("dl", { class: "facts" }, ...pairs.map(row));
}

/** Say in a place what went wrong, and the way out. */
export function complain(place, what, hint = "") {
  const said = element("div", { class: "problem" }, element("p", {}, element("b", {}, what)));
  if (hint) said.append(element("p", {}, hint));
  place.replaceChildren(said);
}

/** What the API refuses, as its problem says. */
export class Refused extends Error {
  /** @param {{code: string, detail: string, hint?: string}} problem */
  constructor(problem) {
    super(problem.detail);
    this.code = problem.code;
    this.hint = problem.hint ?? "";
  }
}

/** Ask the API. @returns {Promise<any>} @throws {Refused} */
export async function api(method, path, body) {
  const token = document.querySelector('meta[name="csrf"]')?.content;
  const headers = { Accept: "application/json", ...(token ? { "X-CSRF": token } : {}) };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let answer = null;
  try {
    answer = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body), redirect: "error" });
  } catch {
    throw new Refused({ code: "unreachable", detail: say("unreachable"), hint: say("unreachableHint") });
  }
  const isJson = /^application\/(problem\+)?json/.test(answer.headers.get("content-type") ?? "");
  const found = isJson && answer.status !== 204 ? await answer.json() : null;
  if (!answer.ok) throw new Refused(found ?? { code: String(answer.status), detail: say("unreachable") });
  return found;
}

/** Have the browser save a text as a file. */
export function save(name, text) {
  const url = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  element("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** Whether a field of a form has not what it needs: it is said in words that stay, and the field takes the focus. */
function lacks(form, told) {
  for (const field of form.elements) field.removeAttribute("aria-invalid");
  const field = [...form.elements].find((each) => each.willValidate && !each.validity.valid);
  if (!field) return false;
  field.setAttribute("aria-invalid", "true");
  complain(told, `${field.labels[0]?.textContent ?? ""}: ${field.validationMessage}`, field.nextElementSibling?.textContent);
  field.focus();
  return true;
}

/** Do something when a form is sent, one at a time; what goes wrong is said beside it. Its button waits for this. */
export function onSent(form, act) {
  const told = form.querySelector("[data-told]");
  form.querySelector("button").disabled = false;
  form.noValidate = true;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (lacks(form, told)) return;
    const button = event.submitter ?? form.querySelector("button");
    button.disabled = true;
    told.replaceChildren(say("working"));
    try {
      told.replaceChildren((await act()) ?? "");
    } catch (error) {
      complain(told, error instanceof Refused ? error.message : say(error.message), error.hint);
    } finally {
      button.disabled = false;
    }
  });
}

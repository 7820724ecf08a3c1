// A transaction as the browser reads it from the very bytes that are signed, to hold against what the page says of it.

import { base64, hex } from "./bytes.js";
import { decode } from "./msgpack.js";

/** @typedef {"value"|"bytes"|"none"|{list: Form}|{any: Form[]}|{record: string}} Form */
/** @typedef {{kinds: Record<string, string>, records: Record<string, {tag: string|null, fields: [string, Form][]}>}} Forms */

/**
 * @param {Uint8Array} message @param {Forms} forms
 * @returns {{chain: string, sender: string, expires: number, kind: string, fields: [string, string][]}}
 * @throws if the bytes are no transaction of a kind that is known
 */
export function read(message, forms) {
  const parts = decode(message);
  if (!Array.isArray(parts) || parts.length !== 6) throw new Error("no transaction");
  const [chain, algorithm, sender, nonce, expires, body] = parts;
  const isWhole = typeof chain === "string" && sender instanceof Uint8Array && nonce instanceof Uint8Array;
  if (!isWhole || algorithm !== "ed25519" || !(body instanceof Uint8Array)) throw new Error("no transaction");
  const inner = decode(body);
  const kind = Array.isArray(inner) ? inner[0] : "";
  if (!Object.hasOwn(forms.kinds, kind)) throw new Error("a kind of transaction that is not known");
  const fields = fieldsOf(inner, forms.kinds[kind], forms, "");
  return { chain, sender: hex(sender), expires: Number(expires), kind, fields: [["kind", kind], ...fields] };
}

/** Every field by its name, those of records in it behind a dot: as `application/node/meaning.py` has them. */
function fieldsOf(value, name, forms, prefix) {
  const found = [];
  named(value, name, forms).forEach(([field, form, inner]) => {
    const record = recordOf(inner, form, forms);
    if (record === null) {
      found.push([prefix + field, words(inner, form, forms)]);
      return;
    }
    if (forms.records[record].tag) found.push([prefix + field, forms.records[record].tag]);
    found.push(...fieldsOf(inner, record, forms, `${prefix}${field}.`));
  });
  return found;
}

/** A record's fields: [name, form, value]. */
function named(value, name, forms) {
  const { tag, fields } = forms.records[name];
  const values = tag === null ? value : value.slice(1);
  if ((tag !== null && value[0] !== tag) || values.length !== fields.length) throw new Error("a record of another form");
  return fields.map(([field, form], at) => [field, form, values[at]]);
}

/** The name of the record that a value of a form is; null if it is none. */
function recordOf(value, form, forms) {
  if (typeof form === "string" || form.list || !Array.isArray(value)) {
    if (form.record) throw new Error("a record of another form");
    return null;
  }
  if (form.record) return form.record;
  const records = form.any.filter((each) => each.record).map((each) => each.record);
  if (form.any.some((each) => each.list)) return null;
  const tagged = records.find((each) => forms.records[each].tag !== null && forms.records[each].tag === value[0]);
  const found = tagged ?? records.find((each) => forms.records[each].tag === null);
  if (found === undefined) throw new Error("a record of another form");
  return found;
}

function words(value, form, forms) {
  if (value instanceof Uint8Array) return hex(value);
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (!Array.isArray(value)) return String(value);
  const each = form.list ?? form.any?.find((one) => one.list)?.list;
  if (each === undefined) throw new Error("a list where there is none");
  return value.map((one) => (recordOf(one, each, forms) === null ? words(one, each, forms) : json(one))).join(", ");
}

/** A record in a list: as JSON, with bytes in base64. */
function json(value) {
  if (value instanceof Uint8Array) return `"${base64(value)}"`;
  if (Array.isArray(value)) return `[${value.map(json).join(",")}]`;
  return typeof value === "bigint" ? String(value) : JSON.stringify(value);
}

import { narrow, PickleBytes } from "./pickle_bytes.ts";
import {
  PickleDict,
  PickleGlobal,
  type PickleHost,
  PickleList,
  PickleOpaque,
  type PickleValue,
} from "./pickle_values.ts";

/** Lists, dictionaries, tuples, sets and calls of one pickle; bounds its memory. */
const MAX_OBJECTS = 2_000_000;
const MAX_STEPS = 16_000_000; // the file names of a hundred thousand images need ten million
const MAX_MEMO = 8_000_000; // below 2^24, where a Map is full
const MAX_NUMBER_BYTES = 1024;
const MAX_NAME_BYTES = 1000;
/** Only what says so in a file is an extension; the registry of Python that gives it a meaning is not here. */
const EXTENSIONS = new Set([0x82, 0x83, 0x84]);

/**
 * Runs a pickle, protocols 0 to 5, as a machine that only builds data: numbers, text, bytes, lists and dictionaries. Whatever
 * concerns a class goes to `host`, as a name. Time and memory are linear in the size of the pickle,
 * and bounded.
 *
 * An own machine, because `pickleparser` 0.2.1 calls functions of JavaScript with arguments of the file, copies the state of objects
 * onto them (`__proto__`, `__setstate__`), reads negative numbers wrongly (LONG1) and bounds nothing.
 *
 * @param fail throws; it is told what is wrong and at which byte
 * Source: Lib/pickletools.py of CPython, which describes each opcode
 */
export function readPickle(bytes: Uint8Array, host: PickleHost, fail: (what: string) => never): PickleValue {
  let at = 0;
  const bad = (what: string): never => fail(`its pickle is damaged at byte ${at}: ${what}`);
  const input = new PickleBytes(bytes, bad);
  const stack: PickleValue[] = [];
  const marks: number[] = [];
  const memo = new Map<number, PickleValue>();
  let objects = 0;

  const floor = () => marks.length > 0 ? marks[marks.length - 1] : 0;
  const top = (): PickleValue => stack.length > floor() ? stack[stack.length - 1] : bad("the stack is empty");
  const pop = (): PickleValue => (top(), stack.pop()!);
  const toMark = (): PickleValue[] => stack.splice(marks.pop() ?? bad("there is no mark"));
  const count = <T>(made: T): T => ++objects > MAX_OBJECTS ? bad(`more than ${MAX_OBJECTS} objects`) : made;
  const list = (items: PickleValue[], form: PickleList["form"]) =>
    stack.push(count(new PickleList(items, form)));
  const takeLast = (n: number): PickleValue[] => {
    if (stack.length - n < floor()) bad("the stack is empty");
    return stack.splice(stack.length - n);
  };
  const remember = (index: number) => {
    if (!Number.isSafeInteger(index) || index < 0) bad("the memo's index is no number");
    if (memo.size >= MAX_MEMO) bad(`more than ${MAX_MEMO} remembered values`);
    memo.set(index, top());
  };
  const recall = (index: number) =>
    stack.push(memo.has(index) ? memo.get(index)! : bad(`nothing was remembered as ${index}`));
  const setItems = (dict: PickleValue, items: readonly PickleValue[]) => {
    if (dict instanceof PickleOpaque) return;
    if (!(dict instanceof PickleDict)) return bad("items are set on what is no dictionary");
    if (items.length % 2 !== 0) bad("a key has no value");
    for (let i = 0; i < items.length; i += 2) {
      const key = items[i];
      if (key !== null && typeof key === "object") {
        host.note("dictionary keys that are neither text nor numbers were left out");
      } else dict.entries.set(key, items[i + 1]);
    }
  };
  const addItems = (target: PickleValue, items: readonly PickleValue[]) => {
    if (target instanceof PickleOpaque) return;
    if (!(target instanceof PickleList) || target.form === "tuple") {
      return bad("items are added to what is no list");
    }
    for (const item of items) target.items.push(item);
  };
  const argumentsOf = (value: PickleValue): readonly PickleValue[] =>
    value instanceof PickleList ? value.items : bad("arguments are no tuple");
  const call = (callee: PickleValue, args: readonly PickleValue[]) =>
    stack.push(count(host.call(callee, args)));
  const named = (module: PickleValue, name: PickleValue): PickleGlobal => {
    if (typeof module !== "string" || typeof name !== "string") return bad("the name of a class is no text");
    if (module.length + name.length > MAX_NAME_BYTES) return bad("the name of a class is too long");
    return count(new PickleGlobal(`${module}.${name}`));
  };
  const integer = (length: number) =>
    length <= MAX_NUMBER_BYTES
      ? input.integer(length)
      : bad(`an integer of ${length} bytes, limit ${MAX_NUMBER_BYTES}`);
  const decimal = (text: string): number | bigint =>
    /^[+-]?\d+$/.test(text) ? narrow(BigInt(text.replace("+", ""))) : bad("an integer that is no number");

  const run = (code: number): void => {
    switch (code) {
      case 0x80: // PROTO
        if (input.uint8() > 5) bad("a protocol newer than 5");
        return;
      case 0x95: // FRAME
        input.uint64();
        return;
      case 0x28: // MARK
        marks.push(stack.length);
        return;
      case 0x30: // POP
        if (marks.length > 0 && stack.length === floor()) marks.pop();
        else pop();
        return;
      case 0x31: // POP_MARK
        toMark();
        return;
      case 0x32: // DUP
        stack.push(top());
        return;
      case 0x70: // PUT
        return remember(Number(decimal(input.line(MAX_NUMBER_BYTES))));
      case 0x71: // BINPUT
        return remember(input.uint8());
      case 0x72: // LONG_BINPUT
        return remember(input.uint32());
      case 0x94: // MEMOIZE
        return remember(memo.size);
      case 0x67: // GET
        recall(Number(decimal(input.line(MAX_NUMBER_BYTES))));
        return;
      case 0x68: // BINGET
        recall(input.uint8());
        return;
      case 0x6a: // LONG_BINGET
        recall(input.uint32());
        return;
      case 0x29: // EMPTY_TUPLE
        list([], "tuple");
        return;
      case 0x74: // TUPLE
        list(toMark(), "tuple");
        return;
      case 0x85: // TUPLE1
      case 0x86: // TUPLE2
      case 0x87: // TUPLE3
        list(takeLast(code - 0x84), "tuple");
        return;
      case 0x5d: // EMPTY_LIST
        list([], "list");
        return;
      case 0x6c: // LIST
        list(toMark(), "list");
        return;
      case 0x61: { // APPEND
        const item = pop();
        return addItems(top(), [item]);
      }
      case 0x65: { // APPENDS
        const items = toMark();
        return addItems(top(), items);
      }
      case 0x8f: // EMPTY_SET
        list([], "set");
        return;
      case 0x90: { // ADDITEMS
        const items = toMark();
        return addItems(top(), items);
      }
      case 0x91: // FROZENSET
        list(toMark(), "set");
        return;
      case 0x7d: // EMPTY_DICT
        stack.push(count(new PickleDict()));
        return;
      case 0x64: { // DICT
        const items = toMark(), dict = count(new PickleDict());
        setItems(dict, items);
        stack.push(dict);
        return;
      }
      case 0x73: { // SETITEM
        const items = takeLast(2);
        return setItems(top(), items);
      }
      case 0x75: { // SETITEMS
        const items = toMark();
        return setItems(top(), items);
      }
      case 0x63: { // GLOBAL
        const module = input.line(MAX_NAME_BYTES);
        stack.push(named(module, input.line(MAX_NAME_BYTES)));
        return;
      }
      case 0x93: { // STACK_GLOBAL
        const [module, name] = takeLast(2);
        stack.push(named(module, name));
        return;
      }
      case 0x52: // REDUCE
      case 0x81: { // NEWOBJ
        const [callee, args] = takeLast(2);
        call(callee, argumentsOf(args));
        return;
      }
      case 0x92: { // NEWOBJ_EX
        const [callee, args] = takeLast(3);
        call(callee, argumentsOf(args));
        return;
      }
      case 0x69: { // INST
        const module = input.line(MAX_NAME_BYTES);
        const callee = named(module, input.line(MAX_NAME_BYTES));
        call(callee, toMark());
        return;
      }
      case 0x6f: { // OBJ
        const [callee, ...args] = toMark();
        if (callee === undefined) bad("a class is missing");
        call(callee, args);
        return;
      }
      case 0x62: { // BUILD
        const state = pop();
        return host.build(top(), state);
      }
      case 0x50: // PERSID
        stack.push(count(host.persistent(input.line(MAX_NAME_BYTES))));
        return;
      case 0x51: // BINPERSID
        stack.push(count(host.persistent(pop())));
        return;
      default:
        stack.push(literal(code));
    }
  };

  const literal = (code: number): PickleValue => {
    switch (code) {
      case 0x4e: // NONE
        return null;
      case 0x88: // NEWTRUE
        return true;
      case 0x89: // NEWFALSE
        return false;
      case 0x49: { // INT
        const text = input.line(MAX_NUMBER_BYTES);
        return text === "01" ? true : text === "00" ? false : decimal(text);
      }
      case 0x4c: // LONG
        return decimal(input.line(MAX_NUMBER_BYTES).replace(/L$/, ""));
      case 0x4a: // BININT
        return input.int32();
      case 0x4b: // BININT1
        return input.uint8();
      case 0x4d: // BININT2
        return input.uint16();
      case 0x8a: // LONG1
        return integer(input.uint8());
      case 0x8b: // LONG4
        return integer(input.uint32());
      case 0x46: // FLOAT
        return float(input.line(MAX_NUMBER_BYTES), bad);
      case 0x47: // BINFLOAT
        return input.float64();
      case 0x56: // UNICODE
        return unescape(input.line(bytes.length));
      case 0x58: // BINUNICODE
        return input.utf8(input.uint32());
      case 0x8c: // SHORT_BINUNICODE
        return input.utf8(input.uint8());
      case 0x8d: // BINUNICODE8
        return input.utf8(input.uint64());
      case 0x53: { // STRING
        const text = input.line(bytes.length);
        return /^(['"]).*\1$/s.test(text) && text.length > 1 ? text.slice(1, -1) : bad("text without quotes");
      }
      case 0x54: // BINSTRING
        return input.latin1(input.uint32());
      case 0x55: // SHORT_BINSTRING
        return input.latin1(input.uint8());
      case 0x42: // BINBYTES
        return count(input.slice(input.uint32()));
      case 0x43: // SHORT_BINBYTES
        return count(input.slice(input.uint8()));
      case 0x8e: // BINBYTES8
      case 0x96: // BYTEARRAY8
        return count(input.slice(input.uint64()));
      default:
        if (EXTENSIONS.has(code)) return bad("a class from a registry that files cannot bring along");
        return bad(`unknown opcode 0x${code.toString(16).padStart(2, "0")}`);
    }
  };

  for (let steps = 0;; steps++) {
    at = input.position;
    if (steps > MAX_STEPS) bad(`more than ${MAX_STEPS} opcodes`);
    const code = input.uint8();
    if (code !== 0x2e) { // STOP
      run(code);
      continue;
    }
    if (stack.length !== 1 || marks.length > 0) bad(`${stack.length} values are left at its end, wanted 1`);
    return stack[0];
  }
}

function float(text: string, bad: (what: string) => never): number {
  if (/^nan$/i.test(text)) return NaN;
  if (/^[+-]?inf$/i.test(text)) return text.startsWith("-") ? -Infinity : Infinity;
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : bad("a float that is no number");
}

/** Text of protocol 0, where some characters are written as their number. */
function unescape(text: string): string {
  return text.replace(/\\u([0-9a-fA-F]{4})|\\U([0-9a-fA-F]{8})/g, (_, short?: string, long?: string) => {
    const code = parseInt(short ?? long!, 16);
    return code <= 0x10ffff ? String.fromCodePoint(code) : "\ufffd";
  });
}

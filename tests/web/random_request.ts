import { hashRandom, type Rng } from "../../data/random.ts";

/** Makes random requests to a dashboard, from plausible to malicious; the same seed makes the same ones. */
export class RequestMaker {
  readonly #random: Rng;

  constructor(seed: number) {
    this.#random = hashRandom(seed);
  }

  /** A request as an object. */
  request(): { readonly request: Request; readonly text: string } {
    const method = this.#below(8) > 0
      ? this.#one(["GET", "GET", "GET", "GET", "GET", "HEAD", "POST", "POST"])
      : this.#one(["PUT", "DELETE", "OPTIONS", "QUERY"]);
    const address = method === "POST" && this.#below(4) > 0 ? "/api/control" : this.#address();
    const headers = this.#headers(method);
    const body = method === "GET" || method === "HEAD" ? null : this.#body();
    const text = `${method} ${address} ${JSON.stringify(headers)} ${String(body).slice(0, 200)}`;
    return { request: new Request(`http://127.0.0.1:8765${address}`, { method, headers, body }), text };
  }

  /** The bytes of a request, as a client without manners sends them. */
  bytes(port: number): Uint8Array<ArrayBuffer> {
    const method = this.#one([
      "GET",
      "GET",
      "GET",
      "POST",
      "TRACE",
      "CONNECT",
      "get",
      "",
      "G\0T",
      "A".repeat(300),
    ]);
    const version = this.#one([
      "HTTP/1.1",
      "HTTP/1.1",
      "HTTP/1.1",
      "HTTP/1.0",
      "HTTP/2.0",
      "HTTP/9",
      "",
      "junk",
    ]);
    const target = this.#one([
      () => this.#address(),
      () => this.#address(),
      () => `http://example.org${this.#address()}`,
      () =>
        this.#one([
          "*",
          "",
          "/../../etc/passwd",
          "../secret.txt",
          "/%",
          "/\xff\xfe",
          "/ /",
          "//",
          "/\0",
          "?",
          "#",
          "\\..\\",
        ]),
      () => `/${this.#noise(200)}`,
    ])();
    const lines = [
      `Host: ${
        this.#one([`127.0.0.1:${port}`, `127.0.0.1:${port}`, "localhost", "example.org", "", "a b", "[", "@"])
      }`,
      ...Object.entries(this.#headers(method)).filter(([name]) => name !== "host").map((entry) =>
        entry.join(": ")
      ),
      ...this.#some([
        "Content-Length: 5",
        "Content-Length: -1",
        "Content-Length: 99999999999999999999",
        "Transfer-Encoding: chunked",
        "Transfer-Encoding: junk",
        "Upgrade: websocket",
        "Expect: 100-continue",
        `X: ${"a".repeat(20_000)}`,
        "no colon",
        ": no name",
        "X\0: 1",
        ` ${this.#noise(20)}`,
      ]),
    ];
    const end = this.#one(["\r\n", "\r\n", "\r\n", "\n"]);
    const text = [`${method} ${target} ${version}`, ...lines, "", ""].join(end);
    const body = this.#body();
    const chunk = this.#one([
      "",
      body,
      `5\r\n${body.slice(0, 5)}\r\n0\r\n\r\n`,
      "ffffffffffffffff\r\nx",
      "zz\r\n",
    ]);
    const whole = text + chunk;
    const cut = this.#below(10) === 0 ? whole.slice(0, this.#below(whole.length)) : whole;
    return Uint8Array.from(cut, (letter) => letter.charCodeAt(0) & 255);
  }

  #below(count: number): number {
    return Math.floor(this.#random.uniform() * count);
  }

  #one<T>(choices: readonly T[]): T {
    return choices[this.#below(choices.length)];
  }

  #some<T>(choices: readonly T[]): T[] {
    return choices.filter(() => this.#below(8) === 0);
  }

  #noise(longest: number): string {
    return String.fromCharCode(...Array.from({ length: this.#below(longest) }, () => this.#below(256)));
  }

  /** A name that leads astray. */
  #name(): string {
    if (this.#below(3) === 0) return "first";
    const name = this.#one([
      "first",
      "study/fold_0",
      "study",
      "linked",
      "above",
      "here",
      "~0",
      "~1",
      "plan.txt",
      "plan.json",
      "run.json",
      "run.sqlite",
      "inputs.json",
      "checkpoints/latest.safetensors",
      "pictures/step_00000001.png",
      "slices/step_00000001.safetensors",
      "secret.txt",
      "outside/plan.txt",
      "a.nii.gz",
      "etc/passwd",
      "loss",
      "",
      "__proto__",
      "constructor",
      "a".repeat(300),
      "\u202e\ud800\u0000",
    ]);
    const prefix = this.#below(2) > 0 ? "" : this.#one([
      "",
      "",
      "",
      "",
      "../",
      "../../",
      "/",
      "//",
      "./",
      "first/",
      "first/../",
      "above/",
      "everything/",
      "~0/../",
    ]);
    return prefix + name;
  }

  #encode(text: string): string {
    const whole = (part: string) => encodeURIComponent(part.toWellFormed());
    return this.#one([
      () => whole(text),
      () => whole(text),
      () => whole(whole(text)),
      () => text.replace(/[^\w./~-]/gu, "_"),
      () => whole(text).replaceAll(".", "%2e"),
      () => whole(text).replaceAll("..", "%c0%ae%c0%ae"),
      () => whole(text).replaceAll("%2F", "%5C"),
      () => `${whole(text)}%00`,
      () => `${whole(text)}${this.#one(["%", "%e0%a4%a", "%u002e", ";", "?", "#x"])}`,
    ])();
  }

  #address(): string {
    const path = this.#one([
      "/",
      `/run/${this.#encode(this.#name())}`,
      `/run/${this.#encode(this.#name())}/${
        this.#one(["pictures", "volume", "snapshot.html", "..", "", this.#encode(this.#name())])
      }`,
      "/compare",
      `/assets/${this.#encode(this.#name())}`,
      ...[
        "runs",
        "run",
        "series",
        "events",
        "live",
        "series.csv",
        "slices",
        "slices/file",
        "file",
        "image",
        "report",
      ]
        .map((name) => `/api/${name}`),
      "/api/volumes",
      "/api/compare",
      "/api/control",
      `/${this.#encode(this.#name())}`,
      `/api/${this.#encode(this.#name())}`,
      `/${"a/".repeat(this.#below(3000))}`,
    ]);
    const numbers = [
      "0",
      "1",
      "-1",
      "1e9",
      "NaN",
      "9007199254740993",
      "0x10",
      "99999999999999999999",
      "1.5",
      "",
      "%00",
    ];
    const query = [
      "run",
      "file",
      "name",
      "report",
      "case",
      "points",
      "from",
      "to",
      "after",
      "token",
      "v",
      "x",
    ].flatMap((key) => {
      const value = () =>
        /^(points|from|to|after)$/.test(key) ? this.#one(numbers) : this.#encode(this.#name());
      const likely = key === "run" || key === "file" || key === "name" ? 2 : 6;
      return this.#below(likely) === 0
        ? Array.from({ length: this.#one([1, 1, 1, 2, 40]) }, () => `${key}=${value()}`)
        : [];
    });
    return path + (query.length > 0 ? `?${query.join("&")}` : "");
  }

  #headers(method: string): Record<string, string> {
    const all: [string, string][] = [
      [
        "host",
        this.#below(8) > 0
          ? "127.0.0.1:8765"
          : this.#one(["example.org", "localhost", "127.0.0.1:8765@x", "["]),
      ],
      ["cookie", this.#one(["theme=dark", "theme=<script>", "=;=;;", "spark3d_=x", `a=${"b".repeat(5000)}`])],
      ["accept-encoding", this.#one(["gzip", "br, gzip;q=0", "*", "identity;q=0"])],
      ["if-none-match", this.#one(["*", '"x"', "W/"])],
      ["range", this.#one(["bytes=0-1", "bytes=-9999999999", "bytes=5-1", "lines=1"])],
      ["authorization", "Bearer x"],
      ["x-forwarded-for", "10.0.0.1"],
      ["x-http-method-override", "DELETE"],
      ["last-event-id", this.#one(["0", "-1", "x".repeat(2000)])],
    ];
    const headers = Object.fromEntries(all.filter(([name]) => name === "host" || this.#below(6) === 0));
    if (method === "GET" || method === "HEAD") return headers;
    headers["content-type"] = this.#one([
      "application/json",
      "application/json",
      "application/json",
      "text/plain",
      "multipart/form-data",
    ]);
    headers.origin = this.#one([
      "http://127.0.0.1:8765",
      "http://127.0.0.1:8765",
      "http://127.0.0.1:8765",
      "http://127.0.0.1:8765",
      "http://127.0.0.1:8765",
      "http://example.org",
      "null",
    ]);
    return headers;
  }

  #body(): string {
    const action = this.#one(["stop", "checkpoint", "note", "note", "delete", "__proto__", 7, null]);
    return this.#one([
      () =>
        JSON.stringify({
          run: this.#name(),
          action,
          text: this.#one([this.#noise(100), "", "x".repeat(3000), 5, {}]),
        }),
      () => JSON.stringify({ run: "first", action, text: this.#noise(50) }),
      () =>
        JSON.stringify(
          this.#one<unknown>([null, [], {}, "text", 5, true, { run: {} }, { run: ["first"], action: [] }]),
        ),
      () => "[".repeat(this.#below(40_000)),
      () => "x".repeat(16_380 + this.#below(10)),
      () => this.#noise(500),
      () => "",
    ])();
  }
}

import assert from "node:assert/strict";
import { commandEntries, runProgram } from "../../cli/program.ts";
import type { OutputStreams } from "../../cli/output.ts";

/** Runs a command line in this process. */
async function run(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  let stdout = "", stderr = "";
  const streams: OutputStreams = {
    stdout: (text) => void (stdout += text),
    stderr: (text) => void (stderr += text),
    terminal: false,
    width: () => 80,
  };
  const code = await runProgram(args, streams);
  return { code, stdout, stderr };
}

Deno.test("spark3d --help names every command on stdout and exits 0", async () => {
  const { code, stdout, stderr } = await run("--help");
  assert.equal(code, 0);
  assert.equal(stderr, "");
  for (const [name, { summary }] of Object.entries(commandEntries)) {
    assert.match(stdout, new RegExp(`^ {2}${name} +${summary}$`, "m"));
  }
});

Deno.test("every command has --help with --json in it", async () => {
  for (const name of Object.keys(commandEntries)) {
    const { code, stdout, stderr } = await run(name, "--help");
    assert.equal(code, 0, name);
    assert.equal(stderr, "", name);
    assert.match(stdout, new RegExp(`^Usage: spark3d ${name}`), name);
    assert.match(stdout, /^ {2}--json /m, name);
  }
});

Deno.test("commands with chance in them take --seed, commands that compute take --adapter", async () => {
  for (const name of ["pretrain", "phantom"]) {
    assert.match((await run(name, "--help")).stdout, /^ {2}--seed /m);
  }
  for (const name of ["pretrain", "plan", "doctor"]) {
    assert.match((await run(name, "--help")).stdout, /^ {2}--adapter /m);
  }
});

Deno.test("spark3d without a command prints the help on stderr and exits 2", async () => {
  const { code, stdout, stderr } = await run();
  assert.deepEqual({ code, stdout }, { code: 2, stdout: "" });
  assert.match(stderr, /^Usage: spark3d/);
});

Deno.test("a misspelt command is one line that names the nearest one", async () => {
  const { code, stdout, stderr } = await run("pretrian");
  assert.deepEqual(
    { code, stdout, stderr },
    { code: 2, stdout: "", stderr: "error: Unknown command 'pretrian' (Did you mean pretrain?)\n" },
  );
});

Deno.test("a misspelt option is one line that names the nearest one", async () => {
  const { code, stderr } = await run("pretrain", "--epoch", "3");
  assert.deepEqual({ code, stderr }, {
    code: 2,
    stderr: "error: Unknown option '--epoch' (Did you mean --epochs?)\n",
  });
});

Deno.test("a bad option value is one line with what was expected, exit code 2", async () => {
  const cases: [string[], RegExp][] = [
    [
      ["pretrain", "--epochs", "0"],
      /'--epochs <n>' argument '0' is invalid\. Expected a whole number of at least 1\./,
    ],
    [["pretrain", "--epochs", "3.5"], /argument '3\.5' is invalid/],
    [["pretrain", "--lr", "-1"], /Expected a number above 0\./],
    [["pretrain", "--patch", "48,48"], /Expected one value, or three separated by commas\./],
    [["pretrain", "--mask-ratio", "1.5"], /Expected a share between 0 and 1, or a range such as 0\.6-0\.9\./],
    [["doctor", "--adapter", "fast"], /Allowed choices are auto, high, low, software, dawn\./],
    [["prepare", "volumes"], /Required option '--out <store>' not specified/],
    [["prepare", "--out", "x"], /Missing required argument 'source'/],
    [["phantom"], /Required option '--out <dir>' not specified/],
    [["pretrain", "surplus"], /Too many arguments/],
    [["pretrain", "--resume", "x", "--data", "y"], /leave out --data/],
    [["plan", "--preset", "resnet"], /Unknown --preset resnet: expected one of demo, /],
  ];
  for (const [args, wanted] of cases) {
    const { code, stdout, stderr } = await run(...args);
    assert.equal(code, 2, `${args.join(" ")}: ${stderr}`);
    assert.equal(stdout, "");
    assert.match(stderr, wanted);
    assert.match(stderr, /^error: [^\n]+\n$/);
  }
});

Deno.test("--json puts exactly one object on stdout, for errors too", async () => {
  const usage = await run("pretrain", "--json", "--epoch", "3");
  assert.equal(usage.code, 2);
  assert.deepEqual(JSON.parse(usage.stdout), {
    ok: false,
    error: { name: "CliError", message: "Unknown option '--epoch' (Did you mean --epochs?)" },
  });
  const config = await run("pretrain", "--json", "--patch", "50");
  assert.equal(config.code, 1);
  assert.equal(JSON.parse(config.stdout).error.name, "ConfigError");
  assert.match(
    config.stderr,
    /^error: command line: patch: Patch edge 50 is not a multiple of 8 \(mask\.block 8, coarsest step \d+ of network demo\): use 48 or 56\n$/,
  );
});

Deno.test("pretrain --print-config merges preset, file and flags, later ones win", async () => {
  const file = await Deno.makeTempFile({ suffix: ".json" });
  try {
    await Deno.writeTextFile(
      file,
      JSON.stringify({ preset: "paper", batch: { size: 8 }, optimizer: { kind: "adamw" } }),
    );
    const { code, stdout } = await run(
      "pretrain",
      "--config",
      file,
      "--lr",
      "0.002",
      "--mask-ratio",
      "0.75",
      "--print-config",
    );
    assert.equal(code, 0);
    const config = JSON.parse(stdout);
    assert.deepEqual(config.patch, [160, 160, 160]);
    assert.deepEqual(config.batch, { size: 8, micro: 1 });
    assert.deepEqual(config.mask.ratio, { kind: "fixed", value: 0.75 });
    assert.equal(config.optimizer.kind, "adamw");
    assert.equal(config.optimizer.lr, 0.002);
    assert.ok(!("momentum" in config.optimizer), "an AdamW must not inherit the momentum of an SGD");
  } finally {
    await Deno.remove(file);
  }
});

Deno.test("pretrain --print-schema prints the JSON Schema of a configuration file", async () => {
  const { code, stdout } = await run("pretrain", "--print-schema");
  assert.equal(code, 0);
  const schema = JSON.parse(stdout);
  assert.equal(schema.properties.mask.properties.block.type, "integer");
  assert.equal(schema.additionalProperties, false);
  assert.deepEqual(schema.required ?? [], []);
});

Deno.test("pretrain refuses a folder that holds files, with the remedy", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${folder}/notes.txt`, "mine");
    const { code, stderr } = await run("pretrain", "--data", folder, "--out", folder);
    assert.equal(code, 1);
    assert.equal(
      stderr,
      `error: Cannot start a run in ${folder}: it holds 1 files, expected none: name an empty or new folder with --out\n`,
    );
    await Deno.writeTextFile(`${folder}/config.json`, "{}");
    assert.match((await run("pretrain", "--data", folder, "--out", folder)).stderr, /go on with --resume /);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("pretrain says in one line that files cannot be used", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${folder}/file`, "{ not json");
    const cases: [string[], RegExp][] = [
      [
        ["--data", `${folder}/none`, "--out", `${folder}/run`],
        /Cannot read the data folder .*none: it does not exist/,
      ],
      [
        ["--data", `${folder}/file`, "--out", `${folder}/run`],
        /Cannot read the data folder .*file: it is a file, expected a folder/,
      ],
      [["--out", `${folder}/file/run`], /Cannot (list|write to) .*: a part of the path is a file/],
      [["--config", `${folder}/none.json`], /Cannot read .*none\.json: it does not exist/],
      [["--config", `${folder}/file`], /Cannot read .*file: it is not JSON/],
      [["--resume", `${folder}`], /Cannot resume .*: it has no config\.json, so it is no run folder/],
    ];
    for (const [args, wanted] of cases) {
      const { code, stdout, stderr } = await run("pretrain", ...args);
      assert.equal(code, 1, `${args.join(" ")}: ${stderr}`);
      assert.equal(stdout, "");
      assert.match(stderr, /^error: [^\n]+\n$/);
      assert.match(stderr, wanted);
    }
    assert.deepEqual((await Array.fromAsync(Deno.readDir(folder))).map((entry) => entry.name), ["file"]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

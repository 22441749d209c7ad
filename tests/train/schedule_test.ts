import assert from "node:assert/strict";
import {
  continuedPolyLr,
  learningRate,
  learningRateAtStep,
  parseSchedule,
  polyLr,
  polyOffsetLr,
  type Schedule,
  ScheduleError,
  warmupLr,
} from "../../train/schedule.ts";

function assertClose(found: number, wanted: number, relative = 1e-12): void {
  assert.ok(Math.abs(found - wanted) <= relative * Math.abs(wanted), `found ${found}, wanted ${wanted}`);
}

Deno.test("polyLr() decays from the initial rate to zero", () => {
  assert.equal(polyLr(0, 1000, 1e-2), 1e-2);
  assertClose(polyLr(500, 1000, 1e-2), 1e-2 * 2 ** -0.9);
  assertClose(polyLr(999, 1000, 1e-2), 1e-2 * 1000 ** -0.9, 1e-11);
  assert.equal(polyLr(1000, 1000, 1e-2), 0);
  assert.equal(polyLr(1001, 1000, 1e-2), 0, "past the end is zero, not NaN");
});

Deno.test("warmupLr() reaches the initial rate in its last epoch", () => {
  assertClose(warmupLr(0, 50, 1e-2), 2e-4);
  assertClose(warmupLr(49, 50, 1e-2), 1e-2);
});

Deno.test("polyOffsetLr() is constant until its start", () => {
  assert.equal(polyOffsetLr(20, 100, 1e-2, 50), 1e-2);
  assertClose(polyOffsetLr(75, 100, 1e-2, 50), 1e-2 * 0.5 ** 0.9);
});

Deno.test("learningRate() joins warm-up and decay without a jump", () => {
  const schedule: Schedule = { kind: "warmup-poly", initialLr: 1e-2, warmupEpochs: 5 };
  const rates = Array.from({ length: 20 }, (_, epoch) => learningRate(schedule, epoch, 20));
  assertClose(rates[0], 2e-3);
  assertClose(rates[4], 1e-2);
  assertClose(rates[5], 1e-2);
  for (let epoch = 6; epoch < 20; epoch++) assert.ok(rates[epoch] < rates[epoch - 1], `epoch ${epoch}`);
});

Deno.test("learningRate() of a cosine falls from the initial rate to zero, half of it in the middle", () => {
  const schedule: Schedule = { kind: "cosine", initialLr: 1e-2 };
  assert.equal(learningRate(schedule, 0, 100), 1e-2);
  assertClose(learningRate(schedule, 50, 100), 5e-3);
  assertClose(learningRate(schedule, 25, 100), 1e-2 * (1 + Math.SQRT1_2) / 2);
  assert.ok(learningRate(schedule, 100, 100) < 1e-15);
});

Deno.test("continuedPolyLr() interpolates by default and adds in the reference's form", () => {
  assertClose(continuedPolyLr(50, 5000), 7e-3);
  assertClose(continuedPolyLr(0, 5000), 1e-5);
  assertClose(continuedPolyLr(25, 5000), (7e-3 + 1e-5) / 2);
  assertClose(continuedPolyLr(25, 5000, { warmupForm: "additive" }), 1e-5 + 3.5e-3);
  assertClose(continuedPolyLr(4010, 5000, { startEpoch: 4000, warmupForm: "additive" }), 1e-5 + 1.4e-3);
  assertClose(continuedPolyLr(5000, 5000), 1e-5);
});

Deno.test("learningRateAtStep() is constant within an epoch", () => {
  const schedule: Schedule = { kind: "poly", initialLr: 1e-2 };
  assert.equal(learningRateAtStep(schedule, 249, 250, 4), 1e-2);
  assert.equal(learningRateAtStep(schedule, 250, 250, 4), learningRate(schedule, 1, 4));
  assert.ok(learningRateAtStep(schedule, 10000, 250, 4) > 0, "steps past the end stay in the last epoch");
});

Deno.test("parseSchedule() accepts every kind", () => {
  const schedules: Schedule[] = [
    { kind: "constant", initialLr: 1e-3 },
    { kind: "poly", initialLr: 1e-2, exponent: 0.9, startEpoch: 50 },
    { kind: "warmup-poly", initialLr: 3e-4, warmupEpochs: 50 },
    { kind: "cosine", initialLr: 1e-2 },
    { kind: "continued-poly", startEpoch: 40, warmupForm: "additive" },
  ];
  for (const schedule of schedules) assert.deepEqual(parseSchedule(schedule, 1000), schedule);
});

Deno.test("parseSchedule() names the key, the value found and what is wanted", () => {
  const cases: [unknown, string, RegExp][] = [
    [null, "schedule", /found null, wanted an object/],
    [
      { kind: "valley" },
      "schedule.kind",
      /found "valley", wanted one of constant, poly, warmup-poly, cosine, continued-poly/,
    ],
    [{ kind: "toString" }, "schedule.kind", /found "toString"/],
    [{ kind: "poly" }, "schedule.initialLr", /"initialLr" is missing/],
    [{ kind: "poly", initialLr: -1 }, "schedule.initialLr", /found -1, wanted a number above 0/],
    [{ kind: "poly", initialLr: 1, warmup: 3 }, "schedule.warmup", /knows initialLr, exponent, startEpoch/],
    [
      { kind: "warmup-poly", initialLr: 1, warmupEpochs: 2.5 },
      "schedule.warmupEpochs",
      /wanted a whole number/,
    ],
    [{ kind: "warmup-poly", initialLr: 1, warmupEpochs: 10 }, "schedule", /leaves nothing of 10 epochs/],
    [
      { kind: "continued-poly", warmupForm: "x" },
      "schedule.warmupForm",
      /wanted "interpolated" or "additive"/,
    ],
  ];
  for (const [value, path, message] of cases) {
    assert.throws(() => parseSchedule(value, 10), (error) => {
      assert.ok(error instanceof ScheduleError);
      assert.equal(error.path, path);
      assert.match(error.message, message);
      return true;
    });
  }
});

import assert from "node:assert/strict";
import { Graph, Scope } from "../../../kernels/graph/graph.ts";
import { tensor } from "../../../kernels/spec.ts";
import { isotropic, type NetworkConfig } from "../../../model/config.ts";
import { resEncUNet } from "../../../model/unet.ts";
import { finetuneConfigSchema, scheduleSpans } from "../../../train/finetune/config.ts";
import {
  finetuneLr,
  finetuneStages,
  isTrainable,
  type ScheduledRun,
  stageAt,
} from "../../../train/finetune/stages.ts";
import { tinyFinetuneConfig } from "./tiny_finetune.ts";

function scheduled(kind: string, epochs: number, settings: Record<string, number> = {}): ScheduledRun {
  return tinyFinetuneConfig({
    schedule: { kind, ...settings },
    epochs,
    optimizer: { kind: "sgd", lr: 1e-3 },
  });
}

function close(actual: number, wanted: number, share = 1e-12): void {
  assert.ok(Math.abs(actual - wanted) <= share * Math.abs(wanted), `found ${actual}, wanted ${wanted}`);
}

function parameterNames(network: NetworkConfig): string[] {
  const graph = new Graph();
  resEncUNet(new Scope(graph), graph.input("x", tensor([1, network.inputChannels, 8, 8, 8])), network);
  return graph.parameters.map(({ name }) => name);
}

Deno.test("finetuneLr() meets the published values of a warm-up over 15 of 150 epochs", () => {
  const run = scheduled("warmup", 150);
  close(finetuneLr(run, 0), 6.6667e-5, 1e-5);
  close(finetuneLr(run, 14), 1e-3);
  close(finetuneLr(run, 15), 1e-3);
  close(finetuneLr(run, 149), 1e-3 * (1 / 135) ** 0.9);
  close(finetuneLr(run, 149), 1.20976e-5, 1e-6);
});

Deno.test("finetuneLr() follows the formulas of every schedule", () => {
  const poly = (i: number, n: number) => 1e-3 * (1 - i / n) ** 0.9;
  for (const kind of ["default", "frozen"]) {
    const run = scheduled(kind, 40);
    for (let e = 0; e < 40; e++) close(finetuneLr(run, e), poly(e, 40));
  }
  const [D, W, E] = [7, 5, 40];
  const afterDecoder = (e: number) => e < D + W ? 1e-3 * (e + 1 - D) / W : poly(e - D - W, E - D - W);
  const valley = scheduled("valley", E, { decoderEpochs: D, warmupEpochs: W });
  const sawtooth = scheduled("sawtooth", E, { decoderEpochs: D, warmupEpochs: W });
  for (let e = 0; e < E; e++) {
    close(finetuneLr(valley, e), e < D ? poly(e, D) : afterDecoder(e));
    const teeth = e < 3 ? 1e-3 * (e + 1) / 3 : poly(e - 3, D - 3);
    close(finetuneLr(sawtooth, e), e < D ? teeth : afterDecoder(e));
  }
});

Deno.test("finetuneLr() scales the decoder's phase alone by decoderRate", () => {
  const spans = { decoderEpochs: 4, warmupEpochs: 3 };
  for (const kind of ["valley", "sawtooth"]) {
    const [run, tenfold] = [1, 10].map((decoderRate) => scheduled(kind, 20, { ...spans, decoderRate }));
    for (let e = 0; e < 20; e++) close(finetuneLr(tenfold, e), (e < 4 ? 10 : 1) * finetuneLr(run, e));
  }
});

Deno.test("warm-up and decoder phases take 50 of 1000 epochs, 15 of 150, a tenth of fewer", () => {
  for (const [epochs, usual] of [[1000, 50], [150, 15], [4000, 50], [20, 2], [5, 1]]) {
    assert.deepEqual(scheduleSpans(scheduled("sawtooth", epochs)), { decoder: usual, warmup: usual });
    assert.deepEqual(scheduleSpans(scheduled("warmup", epochs)), { decoder: 0, warmup: usual });
    assert.deepEqual(scheduleSpans(scheduled("default", epochs)), { decoder: 0, warmup: 0 });
  }
});

Deno.test("schedules have stages without gaps and rates between 0 and the peak at any number of epochs", () => {
  for (let epochs = 3; epochs < 70; epochs += 3) {
    for (const kind of ["default", "frozen", "warmup", "valley", "sawtooth"]) {
      const run = scheduled(kind, epochs);
      const stages = finetuneStages(run);
      assert.equal(stages[0].startEpoch, 0);
      assert.equal(stages.at(-1)!.endEpoch, epochs);
      stages.slice(1).forEach(({ startEpoch }, i) => assert.equal(startEpoch, stages[i].endEpoch));
      for (let e = 0; e < epochs; e++) {
        const lr = finetuneLr(run, e);
        assert.ok(lr > 0 && lr <= 1e-3 * (1 + 1e-12), `${kind} of ${epochs}: ${lr} in epoch ${e}`);
        const stage = stageAt(stages, e);
        assert.ok(e >= stage.startEpoch && e < stage.endEpoch);
      }
      assert.throws(() => stageAt(stages, epochs), RangeError);
    }
  }
});

Deno.test("finetuneStages() of valley and sawtooth begin with the decoder, frozen never trains the encoder", () => {
  const shape = (kind: string) =>
    finetuneStages(scheduled(kind, 150)).map(({ startEpoch, endEpoch, trainable }) =>
      `${startEpoch}-${endEpoch} ${trainable}`
    );
  for (const kind of ["valley", "sawtooth"]) assert.deepEqual(shape(kind), ["0-15 decoder", "15-150 all"]);
  for (const kind of ["default", "warmup"]) assert.deepEqual(shape(kind), ["0-150 all"]);
  assert.deepEqual(shape("frozen"), ["0-150 decoder-and-adapted-stem"]);
});

Deno.test("isTrainable() of a decoder stage takes decoder and heads of residual and plain networks, and nothing else", () => {
  const sizes = { features: [4, 6], blocks: [1, 1], deepSupervision: true } as const;
  for (const encoder of ["residual", "plain"] as const) {
    const names = parameterNames(isotropic({ ...sizes, encoder }));
    const trained = (set: Parameters<typeof isTrainable>[1], stemAdapted: boolean) =>
      names.filter((name) => isTrainable(name, set, { stemAdapted }));
    const decoder = names.filter((name) => /^decoder\.(stages|transpconvs|seg_layers)\./.test(name));
    assert.ok(decoder.length > 0 && names.some((name) => name.startsWith("encoder.")));
    for (const stemAdapted of [false, true]) {
      assert.deepEqual(trained("decoder", stemAdapted), decoder);
      assert.deepEqual(trained("all", stemAdapted), names);
    }
    assert.deepEqual(trained("decoder-and-adapted-stem", false), decoder);
    const stem = encoder === "residual" ? "encoder.stem.convs.0.conv" : "encoder.stages.0.0.convs.0.conv";
    assert.deepEqual(
      trained("decoder-and-adapted-stem", true).filter((name) => !decoder.includes(name)),
      [`${stem}.weight`, `${stem}.bias`],
    );
  }
});

Deno.test("a schedule that leaves nothing of the epochs is refused", () => {
  const config = tinyFinetuneConfig();
  for (const [kind, epochs] of [["sawtooth", 2], ["valley", 1], ["warmup", 1]] as const) {
    const result = finetuneConfigSchema.safeParse({ ...config, schedule: { kind }, epochs, loader: {} });
    assert.equal(result.success, false, `${kind} of ${epochs}`);
    assert.match(
      result.error!.issues[0].message,
      /leaves nothing of \d+: train longer or use schedule default/,
    );
  }
});

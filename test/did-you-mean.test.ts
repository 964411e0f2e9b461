import { expect, it } from "vitest";
import { didYouMean, suggestion } from "../src/did-you-mean.ts";

it("finds insertions, deletions, substitutions and swapped letters", () => {
  const names = ["aeroplane", "dog", "motorbike", "tvmonitor"];
  expect(didYouMean("aeroplan", names)).toBe("aeroplane");
  expect(didYouMean("aeropplane", names)).toBe("aeroplane");
  expect(didYouMean("dgo", names)).toBe("dog");
  expect(didYouMean("motorbyke", names)).toBe("motorbike");
});

it("takes upper case, dashes and underscores as equal", () => {
  expect(didYouMean("Weight-Decay", ["weight_decay", "weights"])).toBe("weight_decay");
});

it("prefers the nearest and stays silent when nothing is near", () => {
  expect(didYouMean("steps", ["step", "steps_", "stops"])).toBe("step");
  expect(didYouMean("zebra", ["dog", "cat"])).toBeNull();
  expect(didYouMean("x", [])).toBeNull();
});

it("forms the end of a message", () => {
  expect(suggestion("dgo", ["dog"])).toBe('; did you mean "dog"?');
  expect(suggestion("zebra", ["dog"])).toBe("");
});

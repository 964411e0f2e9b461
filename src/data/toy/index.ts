/** The generated toy set: its classes, single scenes, and the whole set on disk in VOC layout. */
export { PART } from "./canvas.ts";
export { CREATURES } from "./creatures.ts";
export { renderScene, type Scene, type SceneOptions } from "./scene.ts";
export { generateToy, type ToyOptions } from "./write.ts";

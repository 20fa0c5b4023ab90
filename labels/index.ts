export { type InputFile, refuseOutsideReferences } from './refuse-outside-references.ts';
export { findSuperblock } from './superblock.ts';

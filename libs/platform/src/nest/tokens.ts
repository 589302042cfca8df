/** What a provider of a service may inject: everything, or one part of it. */
export const CONTEXT = Symbol('writ:context');
export const LEDGER = Symbol('writ:ledger');
export const DATA_SOURCE = Symbol('writ:data-source');
export const LOGGER = Symbol('writ:logger');
export const ENFORCEMENT = Symbol('writ:enforcement');
export const HOST = Symbol('writ:host');
export const BLOBS = Symbol('writ:blobs');

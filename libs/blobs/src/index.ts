export { BlobCorrupt, BlobNotFound, Blobs, hashOf, type BlobHash, type BlobRef, type BlobsOptions } from './blobs.js';

export { main } from './writ.js';

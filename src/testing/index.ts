export { type Random, seededRandom } from '../internal/random';

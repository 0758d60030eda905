import { recovery } from './recovery';

recovery([1_500]);

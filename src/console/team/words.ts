import { strings } from '../kit/i18n';
import { english } from './words-en';
import { chinese } from './words-zh';

/** Words of the team's console. */
export const words = strings(english, chinese);

import { runService } from '@writ/platform';
import { start } from './service.js';

await runService(start);

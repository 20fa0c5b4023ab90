import { ERROR_CODES, errorKind } from '../../protocol/errors.ts';
import { BaseCommand } from '../base-command.ts';
import { table } from '../lib/output/table.ts';

/** `sleap-rtc errors` */
export default class ErrorTable extends BaseCommand<typeof ErrorTable> {
  static override summary = 'List every error code with its exit code and its remedy.';
  static override baseFlags = {};

  async run(): Promise<object> {
    const errors = ERROR_CODES.map((code) => {
      const { exitCode, retryable, remedy } = errorKind(code);
      return { code, exit_code: exitCode, retryable, remedy };
    });
    this.log(
      table(
        ['CODE', 'EXIT', 'RETRIED', 'REMEDY'],
        errors.map((error) => [error.code, error.exit_code, error.retryable ? 'yes' : 'no', error.remedy]),
      ),
    );
    return { errors };
  }
}

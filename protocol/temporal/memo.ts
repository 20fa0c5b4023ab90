/** The memo of a failed job whose finished work is kept: the sweep removes nothing of it while Temporal has the job. */
export const KEEPS_FINISHED_WORK = 'keepsFinishedWork';

// An assignment begins when its machine is locked, not when the transaction began: that may be before the participant who had the machine
// until then. The audit goes on to say when it was asked for: the cause stands before what it
// has caused. Not breaking: an older program is dated rightly too where it leaves the time out.
// Frozen once released: a migration never imports the application, and is never edited afterwards.
import { sql, type Kysely } from 'kysely';

const statements = [
  `alter table assignments alter column assigned_at set default clock_timestamp()`,
  `alter table assignment_changes alter column at set default clock_timestamp()`,
];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}

// Which settings are stored, as a scalar subquery: the same settings have the same version. A claim compares it with that of the
// settings by which somebody was admitted.

export const NOTHING_STORED = '';
export const SETTINGS_VERSION = `(select coalesce(md5(string_agg(key || ' ' || value::text, ' ' order by key)), '${NOTHING_STORED}') from settings)`;

CREATE INDEX CONCURRENTLY IF NOT EXISTS {name} ON public.{table} ({key}){condition};

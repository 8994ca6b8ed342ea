drop index job_of_tenant_in_line_idx;
create index job_of_tenant_in_line_idx on job (queue, role, place) where state in ('new', 'ready', 'running');

drop policy submit on job;
create policy submit on job for insert with check (role = current_user and state in ('new', 'backlog', 'scheduled'));

alter table job
    add constraint job_queue_check check (length(queue) between 1 and 63),
    add constraint job_kind_check check (length(kind) between 1 and 100),
    add constraint job_arguments_check check (octet_length(arguments::text) <= 262144),
    add constraint job_cost_check check (cost > 0 and cost < 'infinity'),
    add constraint job_traceparent_check check (length(traceparent) <= 55),
    add constraint job_state_check check (state in ('new', 'backlog', 'ready', 'scheduled', 'running', 'done', 'failed', 'canceled')),
    add constraint job_progress_check check (progress between 0 and 1),
    add constraint job_in_line_has_a_place check (place is not null or state not in ('ready', 'running')),
    add constraint job_that_ended_has_a_time check ((state in ('done', 'failed', 'canceled')) = (finished_at is not null));

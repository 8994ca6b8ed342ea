package cli

import (
	"context"

	"tenantctl/internal/platform/jobs"
	"tenantctl/internal/platform/scope"
)

// workers do a service's jobs beside it, on each instance, where tenants.yaml has the queue among its services; else they are nil.
// slots are how many jobs each does at once; 0 means the usual number.
func (p *platform) workers(service string, pools *scope.Pools, kinds []jobs.Kind, slots int) (*jobs.Metrics, error) {
	file, err := p.f.Config()
	if err != nil || !hasBuiltin(file, jobs.Service) {
		return nil, err
	}
	metrics := jobs.NewMetrics()
	for _, instance := range file.Instances() {
		worker, err := jobs.NewWorker(jobs.Options{
			Queue: service, Instance: instance.Name, Pools: pools, Slots: slots, Tenants: p.directory, Kinds: kinds, Metrics: metrics, Log: p.logOf(service), Trace: p.collected.Tracer(service),
			DSN: func(ctx context.Context) (string, error) { return p.sharedDSN(ctx, instance.Name, jobs.Service) },
		})
		if err != nil {
			return nil, err
		}
		p.beside = append(p.beside, worker.Run)
	}
	return metrics, nil
}

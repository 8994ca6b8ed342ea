package gate

import (
	"testing"
	"time"

	"tenantctl/internal/config"
	"tenantctl/internal/local/localtest"
	"tenantctl/internal/tenant"
	"tenantctl/internal/upgrade"
)

func TestMain(m *testing.M) { localtest.Main(m) }

// literal resolves secrets of a file that has nothing but references to one variable.
func literal(value string) func(config.Secret) (string, error) {
	return func(s config.Secret) (string, error) {
		return s.Resolve(func(string) (string, bool) { return value, true }, nil)
	}
}

// gates are those of a file's rollout.
func gatesOf(t *testing.T, content string) config.Gates {
	t.Helper()
	f, err := config.Parse("tenants.yaml", []byte("version: 1\nservices: { auth: {}, core: {} }\nrollout: { gates: { "+content+" } }\n"))
	if err != nil {
		t.Fatal(err)
	}
	return f.Rollout().Gates
}

// passage is a second wave that brought two tenants to version 12 of core; the first wave had another one.
func passage(instances ...upgrade.Instance) upgrade.Passage {
	now := time.Now()
	before := uint64(11)
	done := func(name string, wave int) upgrade.Outcome {
		return upgrade.Outcome{Wave: wave, Result: upgrade.Upgraded, Before: map[string]*uint64{"core": &before, "auth": &before}, Member: upgrade.Member{
			Tenant: tenant.Name(name), Instance: "shared-1", Schema: "tenant_" + name,
		}}
	}
	waiting := done("z", 3)
	waiting.Result = upgrade.Pending
	return upgrade.Passage{
		Rollout: "r7", Wave: upgrade.Wave{Number: 2, Ring: "general", Size: 2, Bake: 2 * time.Minute},
		Targets: []upgrade.Target{{Service: "core", Version: 12}}, Instances: instances,
		Upgraded: []upgrade.Outcome{done("a", 1), done("b", 2), done("c", 2)}, Waiting: []upgrade.Outcome{waiting},
		Began: now.Add(-10 * time.Minute), Ended: now.Add(-2 * time.Minute),
	}
}

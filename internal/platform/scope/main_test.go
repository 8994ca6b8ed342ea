package scope_test

import (
	"testing"

	"tenantctl/internal/local/localtest"
)

func TestMain(m *testing.M) { localtest.Main(m) }

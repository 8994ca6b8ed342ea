package bus_test

import (
	"context"
	"errors"
	"testing"

	"tenantctl/internal/platform/bus"
)

const childVariable = "BUS_TEST_CHILD"

func child(string) {}

var _ = bus.Service
var _ = errors.New
var _ context.Context
var _ testing.TB

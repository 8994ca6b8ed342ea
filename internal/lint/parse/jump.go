package parse

import (
	"context"
	"errors"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
)

// PostgreSQL reports errors by longjmp. The module was compiled for WASIX, where a host saves the stack for setjmp and puts it
// back for longjmp: stack_checkpoint and stack_restore. What else it imports (threads, signals) it never calls.

// jumps is what setjmp saved during one call of the module.
type jumps struct {
	top   uint32 // of C's stack
	saved []jump
}

// jump is a place to come back to.
type jump struct {
	snapshot experimental.Snapshot
	result   uint32 // where setjmp's result goes
	pointer  uint32 // of C's stack
	stack    []byte // from there to its top
}

type jumpsKey struct{}

// callContext makes the context of one call.
func callContext(ctx context.Context, top uint32) context.Context {
	return context.WithValue(experimental.WithSnapshotter(ctx), jumpsKey{}, &jumps{top: top})
}

var errHost = errors.New("the parser asked for what it isn't given")

// exportHost gives the module what it imports.
func exportHost(ctx context.Context, r wazero.Runtime) error {
	const i32, i64 = api.ValueTypeI32, api.ValueTypeI64
	builder := r.NewHostModuleBuilder("wasix_32v1")
	export := func(name string, f api.GoModuleFunc, results []api.ValueType, params ...api.ValueType) {
		builder.NewFunctionBuilder().WithGoModuleFunction(f, params, results).Export(name)
	}
	one := []api.ValueType{i32}
	export("stack_checkpoint", checkpoint, one, i32, i32)
	export("stack_restore", restore, nil, i32, i64)
	never := func(context.Context, api.Module, []uint64) { panic(errHost) }
	export("callback_signal", never, nil, i32, i32)
	export("futex_wait", never, one, i32, i32, i32, i32)
	export("futex_wake", never, one, i32, i32)
	export("futex_wake_all", never, one, i32, i32)
	export("proc_id", processID, one, i32)
	export("thread_exit", never, nil, i32)
	export("thread_signal", never, one, i32, i32)
	_, err := builder.Instantiate(ctx)
	return err
}

// processID says 1, which is what a process without others is.
func processID(_ context.Context, mod api.Module, stack []uint64) {
	if !mod.Memory().WriteUint32Le(uint32(stack[0]), 1) { //nolint:gosec // an address of 32 bits
		panic(errMemory)
	}
	stack[0] = 0
}

// checkpoint is setjmp: it saves C's stack and the runtime's, writes the number of what it saved, and the result 0.
func checkpoint(ctx context.Context, mod api.Module, stack []uint64) {
	number, result := uint32(stack[0]), uint32(stack[1]) //nolint:gosec // addresses of 32 bits
	j, _ := ctx.Value(jumpsKey{}).(*jumps)
	pointer := uint32(mod.ExportedGlobal(stackPointer).Get()) //nolint:gosec // likewise
	used, ok := mod.Memory().Read(pointer, j.top-pointer)
	if !ok || !mod.Memory().WriteUint64Le(number, uint64(len(j.saved))) || !mod.Memory().WriteUint64Le(result, 0) {
		panic(errMemory)
	}
	j.saved = append(j.saved, jump{
		snapshot: experimental.GetSnapshotter(ctx).Snapshot(), result: result, pointer: pointer, stack: append([]byte(nil), used...),
	})
	stack[0] = 0
}

// restore is longjmp: everything is as it was at the checkpoint, but for the result.
func restore(ctx context.Context, mod api.Module, stack []uint64) {
	j, _ := ctx.Value(jumpsKey{}).(*jumps)
	number, ok := mod.Memory().ReadUint64Le(uint32(stack[0])) //nolint:gosec // an address of 32 bits
	if !ok || number >= uint64(len(j.saved)) {
		panic(errMemory)
	}
	to := j.saved[number]
	setStack(mod, to.pointer)
	if !mod.Memory().Write(to.pointer, to.stack) || !mod.Memory().WriteUint64Le(to.result, stack[1]) {
		panic(errMemory)
	}
	stack[0] = 0
	to.snapshot.Restore(stack[:1])
}

// stackPointer is the global that holds the pointer of C's stack.
const stackPointer = "__stack_pointer"

func setStack(mod api.Module, pointer uint32) {
	if global, ok := mod.ExportedGlobal(stackPointer).(api.MutableGlobal); ok {
		global.Set(uint64(pointer))
	}
}

package parse

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	_ "unsafe" // for go:linkname

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
	_ "github.com/wasilibs/go-pgquery/parser" // holds the module
	"github.com/wasilibs/wazero-helpers/allocator"
)

// module is go-pgquery's: libpg_query, compiled. That package's own runner compiles it anew for each goroutine, on one core, and
// keeps nothing (2.5 s of CPU each time), and it gives C 64 kB of stack, which 700 terms of one sum overflow without a word; see
// docs/decisions.md. It doesn't export the module. A version that names it otherwise leaves it empty, which compile refuses.
//
//go:linkname module github.com/wasilibs/go-pgquery/internal/wasm.LibPGQuery
var module []byte //nolint:gochecknoglobals // another package's

// Options say how the parser runs.
type Options struct {
	// CacheDir keeps the compiled parser (about 9 MB) from one run to the next, which makes its start ten times faster. It holds
	// machine code that will run, so nobody else may write there. "" keeps nothing.
	CacheDir string
}

// Parser is PostgreSQL's parser. It starts when it is first asked, and may be shared between goroutines.
type Parser struct {
	opts Options

	once     sync.Once
	fault    error // why it didn't start
	runtime  wazero.Runtime
	cache    wazero.CompilationCache
	compiled wazero.CompiledModule

	mutex sync.Mutex
	idle  []*instance
}

// New makes a parser without starting it.
func New(opts Options) *Parser {
	return &Parser{opts: opts}
}

// Close ends it. Nobody may be parsing.
func (p *Parser) Close(ctx context.Context) error {
	var errs []error
	if p.runtime != nil {
		errs = append(errs, p.runtime.Close(ctx))
	}
	if p.cache != nil {
		errs = append(errs, p.cache.Close(ctx))
	}
	return errors.Join(errs...)
}

func (p *Parser) compile(ctx context.Context) error {
	if len(module) == 0 {
		return errors.New("start the parser: this build has none")
	}
	// The module holds no debug information, but a map for it would be made all the same, and read at each start in 500,000 calls.
	config := wazero.NewRuntimeConfig().WithDebugInfoEnabled(false).
		WithCoreFeatures(api.CoreFeaturesV2 | experimental.CoreFeaturesThreads)
	if cache := openCache(p.opts.CacheDir); cache != nil {
		p.cache = cache
		config = config.WithCompilationCache(cache)
	}
	p.runtime = wazero.NewRuntimeWithConfig(ctx, config)
	if _, err := wasi_snapshot_preview1.Instantiate(ctx, p.runtime); err != nil {
		return fmt.Errorf("start the parser: %w", err)
	}
	if err := exportHost(ctx, p.runtime); err != nil {
		return fmt.Errorf("start the parser: %w", err)
	}
	compiled, err := p.runtime.CompileModule(experimental.WithCompilationWorkers(ctx, runtime.GOMAXPROCS(0)), module)
	if err != nil {
		return fmt.Errorf("compile the parser: %w", err)
	}
	p.compiled = compiled
	return nil
}

// openCache opens a folder that only we can write to. Where there is none, the parser is compiled each time.
func openCache(dir string) wazero.CompilationCache {
	if dir == "" || os.MkdirAll(dir, 0o700) != nil {
		return nil
	}
	const others = 0o022
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm()&others != 0 {
		return nil
	}
	cache, err := wazero.NewCompilationCacheWithDir(dir)
	if err != nil {
		return nil
	}
	return cache
}

// take gives an instance that nobody else uses.
func (p *Parser) take(ctx context.Context) (*instance, error) {
	p.once.Do(func() { p.fault = p.compile(context.WithoutCancel(ctx)) })
	if p.fault != nil {
		return nil, p.fault
	}
	p.mutex.Lock()
	if n := len(p.idle); n > 0 {
		i := p.idle[n-1]
		p.idle = p.idle[:n-1]
		p.mutex.Unlock()
		return i, nil
	}
	p.mutex.Unlock()
	return p.instantiate(ctx)
}

func (p *Parser) put(i *instance) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.idle = append(p.idle, i)
}

// instance is the module with a memory of its own.
type instance struct {
	module api.Module
	bottom uint32 // of C's stack
	top    uint32
}

// The stack that C gets, and how much of its end has to be untouched after each call.
const (
	stackSize = 8 << 20
	guardSize = 4 << 10
)

func (p *Parser) instantiate(ctx context.Context) (*instance, error) {
	config := wazero.NewModuleConfig().WithName("").WithSysNanotime().WithStartFunctions("_initialize")
	mod, err := p.runtime.InstantiateModule(experimental.WithMemoryAllocator(ctx, allocator.NewNonMoving()), p.compiled, config)
	if err != nil {
		return nil, fmt.Errorf("start the parser: %w", err)
	}
	i := &instance{module: mod, top: uint32(mod.ExportedGlobal("__heap_base").Get())} //nolint:gosec // an address of 32 bits
	bottom, err := i.call(ctx, "malloc", stackSize)
	if err != nil || bottom == 0 {
		return nil, errors.Join(errMemory, err)
	}
	const aligned = 16
	i.bottom = uint32(bottom) //nolint:gosec // likewise
	i.top = (i.bottom + stackSize) &^ (aligned - 1)
	setStack(mod, i.top)
	if !mod.Memory().Write(i.bottom, make([]byte, guardSize)) {
		return nil, errMemory
	}
	if _, err := i.call(ctx, "pg_query_init"); err != nil {
		return nil, err
	}
	return i, nil
}

// overflowed tells whether C's stack reached its end.
func (i *instance) overflowed() bool {
	guard, ok := i.module.Memory().Read(i.bottom, guardSize)
	return !ok || bytes.ContainsFunc(guard, func(r rune) bool { return r != 0 })
}

// call calls a function; an error means that the instance is no longer to be used.
func (i *instance) call(ctx context.Context, name string, args ...uint64) (uint64, error) {
	results, err := i.module.ExportedFunction(name).Call(callContext(ctx, i.top), args...)
	if err != nil {
		return 0, fmt.Errorf("parser: %s: %w", name, err)
	}
	if len(results) == 0 {
		return 0, nil
	}
	return results[0], nil
}

var errMemory = errors.New("parser: outside of its memory")

// The layout of libpg_query's results, in bytes of 32-bit addresses.
const (
	resultSize    = 12 // tree, stderr, error
	resultError   = 8
	errorCursorAt = 16 // message, function, file, line, cursor
)

// declined is what the grammar says of a script that it doesn't take.
type declined struct {
	message string
	cursor  int // in characters, from 1
}

// parse gives the tree as JSON, or says what the grammar doesn't take.
func (i *instance) parse(ctx context.Context, sql string) (tree []byte, no *declined, err error) {
	in, err := i.call(ctx, "malloc", uint64(len(sql)+1))
	if err != nil {
		return nil, nil, err
	}
	out, err := i.call(ctx, "malloc", resultSize)
	if err != nil {
		return nil, nil, err
	}
	memory := i.module.Memory()
	at, result := uint32(in), uint32(out) //nolint:gosec // addresses have 32 bits
	if in == 0 || out == 0 || !memory.WriteString(at, sql) || !memory.WriteByte(at+uint32(len(sql)), 0) {
		return nil, nil, errMemory
	}
	if _, err := i.call(ctx, "pg_query_parse", out, in); err != nil {
		return nil, nil, err
	}
	if i.overflowed() {
		return nil, nil, errMemory
	}
	if tree, no, err = i.result(result); err != nil {
		return nil, nil, err
	}
	if _, err := i.call(ctx, "pg_query_free_parse_result", out); err != nil {
		return nil, nil, err
	}
	for _, address := range []uint64{out, in} {
		if _, err := i.call(ctx, "free", address); err != nil {
			return nil, nil, err
		}
	}
	return tree, no, nil
}

func (i *instance) result(at uint32) ([]byte, *declined, error) {
	memory := i.module.Memory()
	tree, ok := memory.ReadUint32Le(at)
	failed, okError := memory.ReadUint32Le(at + resultError)
	if !ok || !okError {
		return nil, nil, errMemory
	}
	if failed == 0 {
		text, err := i.text(tree)
		return text, nil, err
	}
	message, ok := memory.ReadUint32Le(failed)
	cursor, okCursor := memory.ReadUint32Le(failed + errorCursorAt)
	if !ok || !okCursor {
		return nil, nil, errMemory
	}
	text, err := i.text(message)
	return nil, &declined{message: string(text), cursor: int(int32(cursor))}, err //nolint:gosec // an int of C
}

// text copies a string that ends in a zero byte.
func (i *instance) text(at uint32) ([]byte, error) {
	memory := i.module.Memory()
	rest, ok := memory.Read(at, memory.Size()-at)
	if at == 0 || !ok {
		return nil, errMemory
	}
	for n, c := range rest {
		if c == 0 {
			return append([]byte(nil), rest[:n]...), nil
		}
	}
	return nil, errMemory
}

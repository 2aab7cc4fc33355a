// Judges objects the way the tools that people use do it: each verdict comes from the tool's own code.
//
//	judges kstatus               < object.json   Flux, kustomize: the status and its message
//	judges lua health.lua        < object.json   Argo CD: a health check, in the interpreter that it embeds
//	judges cel 'expression'      < object.json   Flux's healthCheckExprs: true or false
//
// Each line of the input is an object; each line of the output is {"status": ..., "message": ...}.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"github.com/google/cel-go/cel"
	lua "github.com/yuin/gopher-lua"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	// Whole numbers become int64, as in every Kubernetes client.
	kubejson "k8s.io/apimachinery/pkg/util/json"
)

type verdict struct {
	Status  string `json:"status"`
	Message string `json:"message"`
}

type judge func(object map[string]any) (verdict, error)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "judges:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	judge, err := judgeFor(args)
	if err != nil {
		return err
	}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var object map[string]any
		if err := kubejson.Unmarshal(lines.Bytes(), &object); err != nil {
			return err
		}
		verdict, err := judge(object)
		if err != nil {
			return err
		}
		if err := json.NewEncoder(os.Stdout).Encode(verdict); err != nil {
			return err
		}
	}
	return lines.Err()
}

func judgeFor(args []string) (judge, error) {
	switch {
	case len(args) == 1 && args[0] == "kstatus":
		return byKstatus, nil
	case len(args) == 2 && args[0] == "lua":
		script, err := os.ReadFile(args[1])
		return byLua(string(script)), err
	case len(args) == 2 && args[0] == "cel":
		return byCEL(args[1])
	}
	return nil, fmt.Errorf("usage: judges kstatus | lua FILE | cel EXPRESSION")
}

func byKstatus(object map[string]any) (verdict, error) {
	result, err := status.Compute(&unstructured.Unstructured{Object: object})
	if err != nil {
		return verdict{}, err
	}
	return verdict{result.Status.String(), result.Message}, nil
}

// byLua runs a health check as Argo CD does: the object is the global obj, the script returns a table.
func byLua(script string) judge {
	return func(object map[string]any) (verdict, error) {
		state := lua.NewState(lua.Options{SkipOpenLibs: true})
		defer state.Close()
		for _, library := range []struct {
			name string
			open lua.LGFunction
		}{
			{lua.LoadLibName, lua.OpenPackage},
			{lua.BaseLibName, lua.OpenBase},
			{lua.TabLibName, lua.OpenTable},
			{lua.StringLibName, lua.OpenString},
			{lua.MathLibName, lua.OpenMath},
		} {
			call := lua.P{Fn: state.NewFunction(library.open), Protect: true}
			if err := state.CallByParam(call, lua.LString(library.name)); err != nil {
				return verdict{}, err
			}
		}
		state.SetGlobal("obj", toLua(state, object))
		if err := state.DoString(script); err != nil {
			return verdict{}, err
		}
		table, ok := state.Get(-1).(*lua.LTable)
		if !ok {
			return verdict{}, fmt.Errorf("the script returned no table but %s", state.Get(-1).Type())
		}
		return verdict{lua.LVAsString(table.RawGetString("status")), lua.LVAsString(table.RawGetString("message"))}, nil
	}
}

func toLua(state *lua.LState, value any) lua.LValue {
	switch value := value.(type) {
	case map[string]any:
		table := state.NewTable()
		for key, each := range value {
			table.RawSetString(key, toLua(state, each))
		}
		return table
	case []any:
		table := state.NewTable()
		for _, each := range value {
			table.Append(toLua(state, each))
		}
		return table
	case string:
		return lua.LString(value)
	case int64:
		return lua.LNumber(value)
	case float64:
		return lua.LNumber(value)
	case bool:
		return lua.LBool(value)
	}
	return lua.LNil
}

// byCEL evaluates an expression as Flux does: the fields of the object are variables.
func byCEL(expression string) (judge, error) {
	names := []string{"apiVersion", "kind", "metadata", "spec", "status"}
	options := make([]cel.EnvOption, 0, len(names))
	for _, name := range names {
		options = append(options, cel.Variable(name, cel.DynType))
	}
	environment, err := cel.NewEnv(options...)
	if err != nil {
		return nil, err
	}
	ast, issues := environment.Compile(expression)
	if issues.Err() != nil {
		return nil, issues.Err()
	}
	program, err := environment.Program(ast)
	if err != nil {
		return nil, err
	}
	return func(object map[string]any) (verdict, error) {
		result, _, err := program.Eval(object)
		if err != nil {
			return verdict{}, err
		}
		return verdict{Status: fmt.Sprint(result.Value())}, nil
	}, nil
}

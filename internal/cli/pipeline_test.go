package cli_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"

	"tenantctl/internal/cli"
)

// Every command of the pipeline in examples/ci is one that this program has, with flags that it has.
func TestThePipelineTypesRealCommands(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../examples/ci/github.yml")
	require.NoError(t, err)
	var pipeline struct {
		Jobs map[string]struct {
			Steps []struct{ Run string }
		}
	}
	require.NoError(t, yaml.Unmarshal(text, &pipeline))
	typed := regexp.MustCompile(`tenantctl ([a-z][^\n|>&]*)`)
	found := 0
	for _, job := range pipeline.Jobs {
		for _, step := range job.Steps {
			for _, match := range typed.FindAllStringSubmatch(step.Run, -1) {
				line := regexp.MustCompile(` 2$`).ReplaceAllString(strings.TrimSpace(match[1]), "")
				root, err := cli.Root()
				require.NoError(t, err)
				cmd, args, err := root.Find(strings.Fields(line))
				require.NoError(t, err, line)
				require.NotEqual(t, root, cmd, line)
				require.NoError(t, cmd.ParseFlags(args), line)
				found++
			}
		}
	}
	require.GreaterOrEqual(t, found, 5)
}

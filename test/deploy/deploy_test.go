// Package deploy checks what can be checked of deploy/ without a cluster: that each file says what its reader will understand, and
// that programs and flags in it are there.
package deploy

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	strict "sigs.k8s.io/yaml"

	"tenantctl/internal/cli"
	"tenantctl/internal/config"
)

const dir = "../../deploy"

// Each document of the manifests decodes into the API's type without a field that this doesn't have.
func TestManifestsAreWhatTheAPITakes(t *testing.T) {
	t.Parallel()
	kinds := map[string]int{}
	var operator *apps.Deployment
	files, err := filepath.Glob(filepath.Join(dir, "kubernetes", "*.yaml"))
	require.NoError(t, err)
	for _, file := range files {
		if other := filepath.Base(file); other == "kustomization.yaml" || other == "tenants.yaml" {
			continue // TestKustomization has them
		}
		for _, document := range documents(t, file) {
			var head struct {
				APIVersion string `json:"apiVersion"`
				Kind       string `json:"kind"`
			}
			require.NoError(t, strict.Unmarshal(document, &head))
			objects := map[string]any{
				"v1/Namespace": &core.Namespace{}, "v1/ServiceAccount": &core.ServiceAccount{}, "v1/Service": &core.Service{},
				"v1/PersistentVolumeClaim": &core.PersistentVolumeClaim{}, "apps/v1/Deployment": &apps.Deployment{},
				"policy/v1/PodDisruptionBudget": &policy.PodDisruptionBudget{}, "networking.k8s.io/v1/NetworkPolicy": &networking.NetworkPolicy{},
			}
			object, known := objects[head.APIVersion+"/"+head.Kind]
			require.True(t, known, "%s: %s %s", file, head.APIVersion, head.Kind)
			require.NoError(t, strict.UnmarshalStrict(document, object), "%s: %s", file, head.Kind)
			if deployment, is := object.(*apps.Deployment); is {
				operator = deployment
			}
			kinds[head.Kind]++
		}
	}
	require.Equal(t, map[string]int{
		"Namespace": 1, "ServiceAccount": 1, "Deployment": 1, "PersistentVolumeClaim": 1, "Service": 1, "PodDisruptionBudget": 1, "NetworkPolicy": 1,
	}, kinds)
	pod := operator.Spec.Template.Spec
	require.True(t, *pod.SecurityContext.RunAsNonRoot)
	container := pod.Containers[0]
	require.False(t, *container.SecurityContext.AllowPrivilegeEscalation)
	require.True(t, *container.SecurityContext.ReadOnlyRootFilesystem)
	require.Equal(t, []core.Capability{"ALL"}, container.SecurityContext.Capabilities.Drop)
	volumes := map[string]bool{}
	for _, v := range pod.Volumes {
		volumes[v.Name] = true
	}
	for _, m := range container.VolumeMounts {
		require.True(t, volumes[m.Name], "volume %s", m.Name)
	}
	takes(t, container.Args)
	require.Contains(t, container.Args, "--archives") // a ConfigMap's folder, which is its default, takes no files
}

// The kustomization names files that are there, and the fleet's file is right.
func TestKustomization(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(dir, "kubernetes", "kustomization.yaml"))
	require.NoError(t, err)
	var k struct {
		APIVersion, Kind, Namespace string
		Resources                   []string
		ConfigMapGenerator          []struct {
			Name  string
			Files []string
		} `json:"configMapGenerator"`
		GeneratorOptions struct {
			DisableNameSuffixHash bool `json:"disableNameSuffixHash"`
		} `json:"generatorOptions"`
		Images []struct{ Name, NewName, NewTag string }
	}
	require.NoError(t, strict.UnmarshalStrict(text, &k))
	there, err := filepath.Glob(filepath.Join(dir, "kubernetes", "*.yaml"))
	require.NoError(t, err)
	for i, file := range there {
		there[i] = filepath.Base(file)
	}
	require.ElementsMatch(t, there, slices.Concat([]string{"kustomization.yaml"}, k.Resources, k.ConfigMapGenerator[0].Files))
	_, err = config.Load(filepath.Join(dir, "kubernetes", "tenants.yaml"))
	require.NoError(t, err)
}

// The Compose file and the systemd unit run commands with flags that the program has.
func TestCommandsAreThere(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(dir, "platform.yaml"))
	require.NoError(t, err)
	var compose struct {
		Services map[string]struct {
			Command []string
			Secrets []string
		}
		Secrets map[string]any
	}
	require.NoError(t, yaml.Unmarshal(text, &compose))
	require.Len(t, compose.Services, 2)
	for _, s := range compose.Services {
		takes(t, s.Command)
		for _, secret := range s.Secrets {
			require.Contains(t, compose.Secrets, secret)
		}
	}
	unit, err := os.ReadFile(filepath.Join(dir, "tenantctl-operator.service"))
	require.NoError(t, err)
	_, command, found := strings.Cut(string(unit), "ExecStart=/usr/local/bin/tenantctl ")
	require.True(t, found)
	command, _, _ = strings.Cut(command, "\n")
	takes(t, strings.Fields(command))
}

// takes wants the program to have a command and its flags.
func takes(t *testing.T, args []string) {
	t.Helper()
	root, err := cli.Root()
	require.NoError(t, err)
	cmd, rest, err := root.Find(args)
	require.NoError(t, err)
	require.NotEqual(t, root, cmd, args)
	require.NoError(t, cmd.ParseFlags(rest), args)
	require.NoError(t, cmd.Args(cmd, cmd.Flags().Args()), args)
}

func documents(t *testing.T, file string) [][]byte {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var list [][]byte
	for {
		var document any
		err := decoder.Decode(&document)
		if errors.Is(err, io.EOF) {
			return list
		}
		require.NoError(t, err)
		encoded, err := yaml.Marshal(document)
		require.NoError(t, err)
		list = append(list, encoded)
	}
}

{{/* Labels of every object. Takes (dict "root" $ "component" "router"). */}}
{{- define "slipway.labels" -}}
{{ include "slipway.selectorLabels" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
app.kubernetes.io/part-of: slipway
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end }}

{{/* Labels that select the pods of a component; they never change between versions. */}}
{{- define "slipway.selectorLabels" -}}
app.kubernetes.io/name: slipway-{{ .component }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{/* Name of a component's objects: slipway-router for the release "slipway". 57 characters leave room for "-admin". */}}
{{- define "slipway.name" -}}
{{ printf "%s-%s" .root.Release.Name .component | trunc 57 | trimSuffix "-" }}
{{- end }}

{{/* A full image reference. Takes (dict "root" $ "repository" R "tag" T); a repository with a tag or digest is complete. */}}
{{- define "slipway.image" -}}
{{- $last := splitList "/" .repository | last -}}
{{- if or (contains ":" $last) (contains "@" $last) -}}
{{ .repository }}
{{- else -}}
{{- $registry := .root.Values.image.registry | trimSuffix "/" -}}
{{- $tag := .tag | default .root.Values.image.tag | default .root.Chart.AppVersion -}}
{{ if $registry }}{{ $registry }}/{{ end }}{{ .repository }}:{{ $tag }}
{{- end -}}
{{- end }}

{{/* Engine to its images as JSON, {"vllm": {"cpu": I, "gpu": J}}, without what is empty. */}}
{{- define "slipway.runtimeImages" -}}
{{- $images := dict -}}
{{- range $engine, $repositories := .Values.runtime.images -}}
{{- $found := dict -}}
{{- range $kind, $repository := kindIs "string" $repositories | ternary (dict "cpu" $repositories) $repositories -}}
{{- if $repository -}}
{{- $_ := set $found $kind (include "slipway.image" (dict "root" $ "repository" $repository "tag" "")) -}}
{{- end -}}
{{- end -}}
{{- if $found -}}
{{- $_ := set $images $engine $found -}}
{{- end -}}
{{- end -}}
{{ toJson $images }}
{{- end }}

{{/* The Secret by which the operator hands the keys of external models to the routers. */}}
{{- define "slipway.providerKeys" -}}
{{ include "slipway.name" (dict "root" . "component" "provider-keys") }}
{{- end }}

{{/*
How models are scaled by the metrics of their pods. The operator's metrics API is one for the whole cluster, so a release
with rights in named namespaces only has none; nor has one without an operator, which would hold up the cluster.
*/}}
{{- define "slipway.metricsMode" -}}
{{- $alone := or .Values.watchNamespaces (eq (int .Values.operator.replicas) 0) -}}
{{- $mode := (.Values.metrics).mode | default "builtin" -}}
{{ if and $alone (eq $mode "builtin") }}none{{ else }}{{ $mode }}{{ end }}
{{- end }}

{{/* The operator's port for it. `helm upgrade --reuse-values` may bring values that lack whole sections, such as metrics. */}}
{{- define "slipway.metricsPort" -}}
{{ (.Values.metrics).port | default 10250 }}
{{- end }}

{{/* Service, certificate and rights of the metrics API. */}}
{{- define "slipway.metricsApi" -}}
{{ include "slipway.name" (dict "root" . "component" "metrics-api") }}
{{- end }}

{{/* Pod security of the level "restricted". */}}
{{- define "slipway.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "slipway.containerSecurityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* Where a component's pods run. Takes (dict "root" $ "component" C "values" V). */}}
{{- define "slipway.scheduling" -}}
{{- range $field := list "nodeSelector" "tolerations" "affinity" "priorityClassName" }}
{{- with index $.values $field }}
{{ $field }}: {{ toJson . }}
{{- end }}
{{- end }}
topologySpreadConstraints:
{{- if .values.topologySpreadConstraints }}
  {{- toYaml .values.topologySpreadConstraints | nindent 2 }}
{{- else }}
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "slipway.selectorLabels" . | nindent 8 }}
{{- end }}
{{- end }}

{{/* Probes on the admin port, which a busy data port cannot block. */}}
{{- define "slipway.probes" -}}
startupProbe:
  httpGet: {path: /livez, port: admin}
  periodSeconds: 1
  failureThreshold: 60
livenessProbe:
  httpGet: {path: /livez, port: admin}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 3
readinessProbe:
  httpGet: {path: /readyz, port: admin}
  periodSeconds: 2
  timeoutSeconds: 2
  failureThreshold: 3
{{- end }}

{{/*
Rights of a component, in all namespaces or in watchNamespaces only.
Takes (dict "root" $ "component" C "rules" YAML).
*/}}
{{- define "slipway.rights" -}}
{{- $name := include "slipway.name" . -}}
{{- $labels := include "slipway.labels" . -}}
{{- $home := .root.Release.Namespace -}}
{{- $scopes := .root.Values.watchNamespaces | default (list "") -}}
{{- $rules := .rules -}}
{{- range $namespace := $scopes }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ ternary "Role" "ClusterRole" (ne $namespace "") }}
metadata:
  name: {{ $name }}
  {{- with $namespace }}
  namespace: {{ . }}
  {{- end }}
  labels:
    {{- $labels | nindent 4 }}
rules:
  {{- $rules | nindent 2 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ ternary "RoleBinding" "ClusterRoleBinding" (ne $namespace "") }}
metadata:
  name: {{ $name }}
  {{- with $namespace }}
  namespace: {{ . }}
  {{- end }}
  labels:
    {{- $labels | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: {{ ternary "Role" "ClusterRole" (ne $namespace "") }}
  name: {{ $name }}
subjects:
  - kind: ServiceAccount
    name: {{ $name }}
    namespace: {{ $home }}
{{- end }}
{{- end }}

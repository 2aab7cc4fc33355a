{{/* Labels of every object. Nothing here may get into a selector: selectors cannot be changed. */}}
{{- define "astra-mirror.labels" -}}
app.kubernetes.io/name: astra-mirror
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "astra-mirror.selector" -}}
app.kubernetes.io/name: astra-mirror
{{- end }}

{{- define "astra-mirror.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end -}}
{{- end -}}
{{- end }}

{{/* The arguments of the container, one a line of YAML. Lists have commas, as the environment variables do. */}}
{{- define "astra-mirror.args" -}}
- run
- --leader-elect
{{- with .Values.namespaces }}
- {{ printf "--namespace=%s" (join "," .) | quote }}
{{- end }}
{{- with .Values.allowedURLs }}
- {{ printf "--allowed-url=%s" (join "," .) | quote }}
{{- end }}
{{- with .Values.proxy.url }}
- {{ printf "--proxy-url=%s" . | quote }}
{{- end }}
{{- with .Values.proxy.noProxy }}
- {{ printf "--no-proxy=%s" (join "," .) | quote }}
{{- end }}
{{- if .Values.caConfigMap.name }}
- {{ printf "--ca-file=/etc/astra-mirror/ca/%s" .Values.caConfigMap.key | quote }}
{{- end }}
{{- range $name, $value := .Values.options }}
{{- if kindIs "bool" $value }}
- --{{ ternary "" "no-" $value }}{{ $name }}
{{- else }}
- {{ printf "--%s=%v" $name $value | quote }}
{{- end }}
{{- end }}
{{- end }}

{{/* The names of the Leases: one for each shard, or the one. */}}
{{- define "astra-mirror.leases" -}}
{{- $shards := int .Values.shards -}}
{{- if eq $shards 1 -}}
- astra-mirror
{{- else -}}
{{- range $index := until $shards }}
- astra-mirror-{{ $index }}-of-{{ $shards }}
{{- end }}
{{- end -}}
{{- end }}

{{/* What the operator may do with refs and monitors, wherever that is. */}}
{{- define "astra-mirror.rules" -}}
- apiGroups: [astra-mirror.io]
  resources: [appbackuprefs, appbackupmonitors]
  verbs: [get, list, watch]
- apiGroups: [astra-mirror.io]
  resources: [appbackuprefs/status, appbackupmonitors/status]
  verbs: [patch]
- apiGroups: [""]
  resources: [secrets]
  resourceNames: {{ concat (list "astra-control") .Values.secretNames | uniq | toJson }}
  verbs: [get, list, watch]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end }}

{{/* What `mirror` of monitors needs beside it. */}}
{{- define "astra-mirror.refsRules" -}}
- apiGroups: [astra-mirror.io]
  resources: [appbackuprefs]
  verbs: [create, patch, delete]
{{- end }}

{{- define "astra-mirror.subjects" -}}
- kind: ServiceAccount
  name: {{ .Values.serviceAccount.name }}
  namespace: {{ .Release.Namespace }}
{{- end }}

{{/* Objects out of a file of the project, with the labels of the release: a list of documents becomes a stream of them. */}}
{{- define "astra-mirror.objects" -}}
{{- $labels := include "astra-mirror.labels" .root | fromYaml -}}
{{- range regexSplit "(?m)^---$" .text -1 }}
{{- $object := fromYaml . }}
{{- $metadata := merge (dict "labels" (merge (dict) $labels (default dict $object.metadata.labels) (default dict $.labels))) $object.metadata }}
{{- if $.annotations }}
{{- $_ := set $metadata "annotations" (merge (dict) $.annotations (default dict $object.metadata.annotations)) }}
{{- end }}
---
{{ toYaml (merge (dict "metadata" $metadata) $object) }}
{{- end }}
{{- end }}

{{/* What no schema can say. */}}
{{- define "astra-mirror.checked" -}}
{{- with .Values -}}
{{- if and (gt (int .shards) 1) (gt (int .replicas) 1) }}
{{- fail "replicas must be 1 with more than one shard: each shard is one pod, which Kubernetes replaces" }}
{{- end }}
{{- if and (eq .scope "namespaces") (not .namespaces) }}
{{- fail "scope is namespaces, and no namespace is named: set namespaces, such as [shop, billing]" }}
{{- end }}
{{- if and (eq .scope "cluster") .namespaces }}
{{- fail "namespaces is set, and scope is cluster: set scope to namespaces, or leave namespaces empty" }}
{{- end }}
{{- if and .crds.install (not .crds.keep) (not .crds.confirmDeletion) }}
{{- fail "crds.keep is false: helm uninstall would delete every AppBackupRef and AppBackupMonitor in the cluster. Set crds.confirmDeletion to true if that is meant" }}
{{- end }}
{{- if contains "@" .proxy.url }}
{{- fail "proxy.url contains a user name or a password, which everybody sees who may read the release: put the whole URL into a Secret and name it in proxy.existingSecret" }}
{{- end }}
{{- if not (regexMatch "^(env|http://[^/?#]+)?$" .proxy.url) }}
{{- fail (printf "proxy.url is %q: it must be http://host:port, or env" .proxy.url) }}
{{- end }}
{{- if and .proxy.url .proxy.existingSecret.name }}
{{- fail "proxy.url and proxy.existingSecret.name are both set: set one of them" }}
{{- end }}
{{- range $label := list "name" "version" "managed-by" }}
{{- if hasKey $.Values.podLabels (printf "app.kubernetes.io/%s" $label) }}
{{- fail (printf "podLabels contains app.kubernetes.io/%s, which the chart sets itself" $label) }}
{{- end }}
{{- end }}
{{- end -}}
{{- end }}

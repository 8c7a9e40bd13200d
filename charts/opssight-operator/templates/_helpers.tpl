{{- define "opssight.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{- define "opssight.fullname" -}}
{{- $name := include "opssight.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Names of cluster-scoped objects carry the namespace when it is not the usual one, so that two releases never meet. */}}
{{- define "opssight.clusterName" -}}
{{- $name := include "opssight.fullname" . -}}
{{- if eq .Release.Namespace "opssight-system" -}}{{ $name }}{{- else -}}{{ printf "%s-%s" .Release.Namespace $name }}{{- end -}}
{{- end -}}

{{- define "opssight.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "opssight.fullname" .) -}}
{{- else -}}
{{- .Values.serviceAccount.name | default "default" -}}
{{- end -}}
{{- end -}}

{{- define "opssight.selector" -}}
app.kubernetes.io/name: {{ include "opssight.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* Labels and names of one shard; a single one has the plain ones. Called with (dict "root" $ "shard" number). */}}
{{- define "opssight.shardSelector" -}}
{{ include "opssight.selector" .root }}
{{- if gt (int .root.Values.shards) 1 }}
opssight.dev/shard: {{ .shard | quote }}
{{- end }}
{{- end -}}

{{- define "opssight.shardName" -}}
{{ include "opssight.fullname" .root }}{{ if gt (int .root.Values.shards) 1 }}-{{ .shard }}{{ end }}
{{- end -}}

{{- define "opssight.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "opssight.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: opssight
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "opssight.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{- define "opssight.namespaces" -}}
{{- $names := .Values.rbac.namespaces | default (list .Release.Namespace) -}}
{{- toJson (uniq $names) -}}
{{- end -}}

{{/* A number as it was written: Helm reads 50000000 as a float and would print 5e+07. */}}
{{- define "opssight.scalar" -}}
{{- if kindIs "float64" . -}}
{{- if eq (floor .) . -}}{{ printf "%.0f" . }}{{- else -}}{{ . }}{{- end -}}
{{- else -}}{{ . }}{{- end -}}
{{- end -}}

{{- define "opssight.ports" -}}
{{- range . }}
- protocol: TCP
  port: {{ int . }}
{{- end }}
{{- end -}}

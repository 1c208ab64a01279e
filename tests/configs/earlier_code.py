"""Flags, defaults, files and script arguments of the earlier code."""

from __future__ import annotations

TRAINING = {
    "seed": "42",
    "optimizer": "Adam",
    "lr": "0.001",
    "epochs": "1",
    "dataset": "MNIST",
    "quantile_event_times": "False",
    "support2_start_day": "None",
    "support2_censor_day": "None",
    "cache_dataset": "True",
    "num_hours": "-1",
    "single_record": "False",
    "embedding_dimension": "4",
    "one_hot_embed": "False",
    "batch_size": "64",
    "labeling_floor_mode": "False",
    "data_dir": "./data",
    "mnist_means": "1.0",
    "mnist_stds": "0.5",
    "mnist_sample_pct": "None",
    "mnist_censoring_percentage": "0.0",
    "model": "FFNet",
    "time_warp_function": "TwoLogistics",
    "mixture_components": "10",
    "mixture_topk": "10",
    "expert_metric": "Cosine",
    "learn_temperature": "True",
    "logit_temp": "2.0",
    "hidden_dim": "128",
    "moe_value_dim": "None",
    "moe_chunk_value_dim": "True",
    "num_hidden_layers": "2",
    "instance_ent_lambda": "0.0",
    "group_ent_lambda": "0.0",
    "cosine_anneal_group_ent_lambda": "False",
    "cosine_anneal_min_lambda_multiplier": "0.0",
    "cosine_anneal_hold_epochs": "0",
    "cosine_anneal_epochs": "2",
    "time_bins": "20",
    "quantize_event_times": "True",
    "loss": "DiscreteSurvival",
    "ipcw": "False",
    "impute": "False",
    "administrative_censoring": "False",
    "adjust_eval": "False",
    "model_dir": "./models",
    "model_hash": "None",
    "save_model": "False",
    "monitored_val_metric": "loss",
    "minimize_val_metric": "True",
    "early_stopping_patience": "10",
    "dropout": "0.0",
    "rsf_n_estimators": "100",
    "rsf_min_samples_split": "100",
    "rsf_max_features": "sqrt",
    "cox_alpha": "0.01",
    "cox_l1_ratio": "0.01",
    "time_bin_pctiles": "0.25 0.5 0.75",
    "log_dir": "./logs",
    "device": "cuda",
}

WANDB = {
    "name": "None",
    "project": "survival-moe",
    "entity": "its author's",
    "group": "testing",
    "dir": ".",
    "mode": "online",
    "job_type": "None",
    "tags": "None",
    "notes": "None",
}

BATCH_RUNS = {
    "use_slurm": "False",
    "cluster": "its author's",
    "account": "zgroup",
    "partition": "short",
    "qos": "none",
    "use_threads": "True",
    "max_subprocesses": "8",
    "cpu": "8",
    "gpu": "1",
    "time": "12:00:00",
    "memory": "64G",
    "slurm_name": "None",
    "out_path": "None",
    "gpu_mb_per_job": "-1",
    "max_per_gpu": "-1",
    "gpu_list": "none",
    "num_runs": "-1",
}

SUPPORT2_ARGS = """
--group support2
--dataset SUPPORT2
--lr 0.0005
--epochs 1000
--time_bins 100
--dropout 0.0
--embedding_dimension 4
--group_ent_lambda 0.01
--instance_ent_lambda 0.0
--save_model
--adjust_eval
--ipcw
"""

MNIST_ARGS = """
--dataset MNIST
--group mnist
--mnist_means 1 5 9 13 17 21 25 29 33 37
--mnist_stds 1 2 3 1 2 3 1 1 1 1
--lr 0.0005
--epochs 1000
--time_bins 100
--mnist_censoring_percentage 0.0
--group_ent_lambda 0.01
--instance_ent_lambda 0.0
--save_model
"""

SEPSIS_ARGS = """
--group sepsis
--dataset Sepsis
--cache_dataset True
--num_hours 100
--time_bins 100
--single_record True
--lr 0.0005
--epochs 1000
--embedding_dimension 4
--group_ent_lambda 0.01
--instance_ent_lambda 0.0
--adjust_eval
--administrative_censoring
--save_model
"""

RUN_EXP = [
    f"--group {dataset}_mixture --use_slurm False --use_threads True "
    "--gpu_mb_per_job 1_000 --max_per_gpu 1 --gpu_list 0"
    for dataset in ("mnist", "support2", "sepsis")
]

RUN_EXP_SLURM = [
    "--group support2_mixture --use_slurm True --use_threads False",
    "--group sepsis_mixture --use_slurm True --use_threads False",
    "--group mnist_mixture --use_slurm True --use_threads False --memory 640G --cpu 64",
]

RUN_EXPERT_SENSITIVITY = [
    f"--group {dataset}_expert_sensitivity --use_slurm False --use_threads True "
    "--gpu_mb_per_job 1_000 --max_per_gpu 1"
    for dataset in ("mnist", "support2", "sepsis")
]
